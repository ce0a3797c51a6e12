// Package templates owns every HTML page that Watchgate shows to a person, the one stylesheet, the icons, and every
// sentence on those pages, the sentences for errors and for scopes included. A page is one typed render function that
// takes the page's own struct and writes a complete document.
//
// What it promises to its callers:
//
//   - A render function writes either a whole document or nothing: a page that cannot be rendered leaves w untouched,
//     so that the caller can still answer with an error.
//   - Pages work without JavaScript, load nothing from another origin, and carry no inline style and no inline script,
//     so that they stand under "default-src 'none'; style-src 'self'; img-src 'self'". The only exception is [FormPost],
//     whose one script is named by [FormPostScriptHash].
//   - Every value is escaped for the place where it appears, and names that strangers choose (apps, people, tenants) lose
//     control and bidirectional-override characters, so that a name cannot rearrange the sentence around it.
//
// What it does not own: HTTP status codes and headers (internal/web), cookies and form handling (idp), the decision which
// page to show, and which data may be shown on it.
//
// Names that tests and scripts rely on: #login-submit, #consent-approve, #consent-deny, #logout-confirm, the words
// "Sign in", "You are signed in" and "Signed out", and the OAuth error code in the visible text of an error page.
package templates
