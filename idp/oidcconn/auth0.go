package oidcconn

import (
	"strings"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// auth0 is Auth0. mfa is in amr for the sign-in that had a second factor and no other,
// and nothing else in there says more (FO-18).
var auth0 = quirks{
	unusable: func(con storage.Connection) string {
		if !strings.HasSuffix(con.Issuer, "/") {
			return "an Auth0 issuer ends with a slash, and the connection's does not"
		}
		return ""
	},
	refuse: func(con storage.Connection, claims map[string]any) string {
		if want := con.Settings.Organization; want != "" && text(claims, "org_id") != want {
			return "org_id is not the connection's organization"
		}
		return ""
	},
	ask: func(con storage.Connection, _ idp.UpstreamRequest, params map[string]string) {
		params["organization"] = con.Settings.Organization
	},
	proves: evidence{mfa: true},
}
