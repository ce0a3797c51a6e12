package web

import "net/http"

// SameOrigin lets a state-changing request through only if the browser says
// that a page of this server, or of origin ("https://auth.example.com", for a
// server behind a proxy that rewrites Host), made it: Sec-Fetch-Site, or else
// Origin (SE-10). GET and HEAD pass; they change nothing. It is half of the
// protection: the other half is the step verifier in the form.
//
// An origin that is none is a programming error and panics.
func SameOrigin(next Handler, origin string) Handler {
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(origin); err != nil {
		panic("web.SameOrigin: " + err.Error())
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := protection.Check(r); err != nil {
			return Refuse(http.StatusForbidden, "cross_site_request", "The request came from another site.", err)
		}
		return next(w, r)
	}
}
