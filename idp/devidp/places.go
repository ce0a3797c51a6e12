package devidp

import (
	"bytes"
	"net/http"
	"net/url"

	"github.com/watchgate/watchgate/templates"
)

// root says what this is: nobody signs in here on their own.
func (p *provider) root(w http.ResponseWriter, _ *http.Request) {
	p.place(w, http.StatusOK, templates.DemoPlacePage{
		Title: "This plays your company’s sign-in",
		Text: "In a demonstration of Watchgate it stands in for Okta, Entra ID or whatever a company has. " +
			"Nobody starts here: Watchgate sends people who sign in, they choose who to be, and go back.",
		Also: []templates.DemoLink{{Name: "Metadata", Path: "/.well-known/openid-configuration"}, {Name: "Signing keys", Path: "/jwks.json"}},
	})
}

// orNothing answers with a page where the routes have nothing under any method.
func (p *provider) orNothing(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if has(mux, r, r.Method) || has(mux, r, http.MethodGet) || has(mux, r, http.MethodPost) {
			mux.ServeHTTP(w, r)
			return
		}
		p.place(w, http.StatusNotFound, templates.DemoPlacePage{
			Title: "There is nothing here", Text: "This is the demo identity provider. Sign-ins begin at an app, and come here by way of Watchgate.",
			Code: http.StatusNotFound,
		})
	})
}

// has reports whether a route takes the request, if it came by that method.
func has(mux *http.ServeMux, r *http.Request, method string) bool {
	as := *r
	as.Method = method
	_, pattern := mux.Handler(&as)
	return pattern != ""
}

// place writes a page that leads to Watchgate, which lives where its redirect
// URIs lead.
func (p *provider) place(w http.ResponseWriter, status int, page templates.DemoPlacePage) {
	page.Place, page.Provider = "Demo identity provider", true
	page.LinkURL, page.LinkLabel = p.home, "Go to Watchgate"
	var buf bytes.Buffer
	err := templates.DemoPlace(&buf, page)
	p.write(w, status, &buf, err)
}

// originOf returns the origin of a redirect URI that was checked.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/"
}
