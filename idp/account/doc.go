// Package account is the pages below /account, on which people see who they are to an
// organization, and look after what signs them in: their second factors, their
// sessions, and the apps that act for them.
//
// Every page belongs to one session of the browser, and so to one organization, which
// the path names: /account/{slug}/... Whatever is named further (a factor, a session,
// an app) is looked for in that organization and among what is the person's own, and is
// unknown otherwise. A GET changes nothing. What a form does needs the page's token,
// which is bound to the session's handle, and a browser that says that a page of ours
// sent it (SE-10); what cannot be undone has a page that asks first, and where it takes
// a recent proof of who it is, the page asks for that, and is shown again.
//
// It does not own signing in, proving and enrolling factors, or signing out: package
// idp does, and this one leads there. It makes no cookies. The sentences and the HTML
// are those of package templates.
package account
