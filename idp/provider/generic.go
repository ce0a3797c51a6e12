package provider

import (
	"net"
	"net/url"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

const wellKnown = "/.well-known/openid-configuration"

func generic() Preset {
	return Preset{
		Name: storage.PresetOIDC, Title: "Any OpenID Connect provider", Page: "docs/providers/oidc.md",
		Fields: []Field{
			{
				Name: FieldIssuer, Label: "Issuer", Example: "https://id.acme.example/realms/acme",
				Hint:  "Exactly as the provider writes it, with or without a slash at the end.",
				Where: "the provider's OpenID Connect settings; it is the value issuer in the document at " + wellKnown,
			},
			{Name: FieldClientID, Label: "Client ID", Where: "the settings of the app (client) that you made for Watchgate"},
			{
				Name: FieldClientSecret, Label: "Client secret", Secret: true, Optional: true,
				Hint:  "Empty only if the app is a public client there: PKCE protects the sign-in then.",
				Where: "the settings of the app (client) that you made for Watchgate",
			},
		},
		Steps: []Step{
			{Do: "At the provider, make an app (client) of the kind web application, confidential, with the authorization code flow."},
			{Do: "Paste this as its redirect URI (callback URL).", Paste: PasteRedirectURI},
			{Do: "Let ID tokens be signed with RS256 or ES256, and let the app have the scopes openid, email and profile."},
			{Do: "Copy issuer, client ID and client secret into the fields here."},
			{Do: "If the provider can do back-channel logout, paste this as its back-channel logout URI, and have it send the session's id (sid).", Paste: PasteBackchannel},
		},
		where: map[string]string{
			"discovery":      "See that the issuer is written as at the provider, and that the provider's document answers at the issuer followed by " + wellKnown + " from the public internet.",
			"issuer":         "Copy the issuer from the provider's document, byte for byte.",
			"keys":           "Have the provider sign ID tokens with RS256 or ES256, and publish the keys at its jwks_uri.",
			"clock":          "Let the provider's machine take its time from a time server, and see that ours does.",
			"endpoints":      "Every endpoint in the provider's document has to be an https address.",
			"scopes":         "Allow the scope at the provider, or take it out of the connection.",
			"pkce":           "Allow PKCE with S256 at the provider.",
			"response_types": "Allow the authorization code flow (response type code) at the provider.",
			"client_secret":  "Copy the client secret from the provider again.",
			"next_secret":    "Copy the new client secret from the provider again.",
			"secret_expiry":  "Make a new client secret at the provider, and enter it as the next secret: until the old one ends, both work.",
			"redirect_uri":   "Compare with the redirect URIs of the app at the provider.",
		},
		build: buildGeneric,
	}
}

func buildGeneric(f *form) storage.Connection {
	con := storage.Connection{ClientID: f.clientID(), Issuer: f.issuer(), Scopes: []string{"openid", "email", "profile"}}
	f.secret()
	return con
}

// issuer is taken as it is: which of two spellings is right, the provider knows.
func (f *form) issuer() string {
	v := f.value(FieldIssuer)
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	switch {
	case strings.Contains(v, "/.well-known/"):
		f.problem(FieldIssuer, "This is the address of the provider's document. Open it, and copy the value of issuer.")
	case err == nil && (u.Scheme == "" || u.Host == ""):
		f.problem(FieldIssuer, "An issuer is a whole address, beginning with https://.")
	case err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		f.problem(FieldIssuer, "An issuer is an https address without a question mark, a hash sign and a user name.")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		f.problem(FieldIssuer, "An issuer begins with https://. What comes over http could be anybody's.")
	}
	return v
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
