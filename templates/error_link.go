package templates

// errorLinks are the ways on that need nothing but the server itself: a path below the issuer, and words for it. Codes that
// are missing here end at the app, or at a step of a sign-in that only the caller knows.
var errorLinks = map[string]struct{ path, label string }{
	"not_found":           {"/", "What this server is for"},
	"method_not_allowed":  {"/", "What this server is for"},
	"misdirected_request": {"/", "Go to the right address"},

	"session_expired":    {"/login", "See where you are signed in"},
	"already_used":       {"/login", "See where you are signed in"},
	"other_browser":      {"/login", "See where you are signed in"},
	"cross_site_request": {"/login", "See where you are signed in"},

	"forbidden":              {"/oauth2/logout", "Sign out"},
	"invalid_logout_request": {"/oauth2/logout", "Go to the sign-out page"},
}

// ErrorLink says where a code's page leads on to: a path to put behind the issuer, for LinkURL, and the LinkLabel. Both are
// empty when this server has no way on.
func ErrorLink(code string) (path, label string) {
	link := errorLinks[code]
	return link.path, link.label
}
