package provider

import (
	"strings"

	"github.com/watchgate/watchgate/storage"
)

func okta() Preset {
	return Preset{
		Name: storage.PresetOkta, Title: "Okta", Page: "docs/providers/okta.md", RoleClaim: "groups",
		Fields: []Field{
			{
				Name: FieldDomain, Label: "Okta domain", Example: "acme.okta.com",
				Hint:  "With a custom domain that people sign in at: that one.",
				Where: "the menu below your name, at the top right of the Okta Admin Console",
			},
			{
				Name: FieldServer, Label: "Authorization server", Example: "default", Optional: true,
				Hint:  "Only if you use a custom authorization server: its ID. Empty is your organization's own, which is right for signing in.",
				Where: "Security > API > Authorization Servers, in the column Issuer URI, behind /oauth2/",
			},
			{
				Name: FieldClientID, Label: "Client ID", Example: "0oa1b2c3d4E5f6G7h8i9",
				Where: "Applications > Applications > your app > General > Client Credentials",
			},
			{
				Name: FieldClientSecret, Label: "Client secret", Secret: true,
				Where: "Applications > Applications > your app > General > Client Credentials > Client Secrets",
			},
		},
		Steps: []Step{
			{Do: "In the Okta Admin Console, open Applications > Applications and click Create App Integration."},
			{Do: "Choose OIDC - OpenID Connect and Web Application, and click Next."},
			{Do: "Leave the grant type Authorization Code as it is, and choose no other."},
			{Do: "Paste this as the Sign-in redirect URI, instead of the one that is there.", Paste: PasteRedirectURI},
			{Do: "Remove the Sign-out redirect URI."},
			{Do: "Under Assignments, choose who may sign in, and click Save."},
			{Do: "Copy the Client ID and the client secret from the tab General into the fields here."},
			{Do: "For roles by groups: on the tab Sign On, under OpenID Connect ID Token, click Edit and set the Groups claim filter to groups, Matches regex, and an expression that fits the groups you want to send."},
			{Do: "To sign people out here when Okta does: on the tab General (in newer consoles: Authentication), under Logout, tick Okta system or admin initiates logout, choose Issuer and Subject Identifier, and paste this as the Logout endpoint URL.", Paste: PasteRevocation},
		},
		where: map[string]string{
			"discovery":     "Compare the Okta domain with the one in the menu below your name in the Okta Admin Console, without -admin.",
			"issuer":        "Compare with Security > API > Authorization Servers in Okta: your organization's own issuer is the domain alone, a custom server's ends with /oauth2/ and its ID.",
			"keys":          "Okta signs with RS256. On the app's tab Sign On, under OpenID Connect ID Token, no other algorithm may be chosen.",
			"scopes":        "A custom authorization server has no scope groups of its own: add it at Security > API > Authorization Servers > your server > Scopes, or take it out of the connection.",
			"client_secret": "Okta > Applications > your app > General > Client Credentials: copy the active client secret again.",
			"next_secret":   "Okta > Applications > your app > General > Client Credentials > Generate new secret: copy it here before you deactivate the old one.",
			"redirect_uri":  "Okta > Applications > your app > General > General Settings > Sign-in redirect URIs.",
		},
		lasting: true, build: buildOkta,
	}
}

func buildOkta(f *form) storage.Connection {
	host, path := f.host(FieldDomain)
	host = withoutAdmin(host)
	server := f.value(FieldServer)
	if _, id, ok := strings.Cut("/"+server, "/oauth2/"); ok {
		server = strings.Trim(id, "/") // the whole issuer was pasted
	}
	if pasted, ok := strings.CutPrefix(path, "oauth2/"); ok && (server == "" || server == pasted) {
		server, path = pasted, ""
	}
	switch {
	case path != "" && path != "admin" && !strings.HasPrefix(path, "admin/"):
		f.problem(FieldDomain, "Enter the domain alone, such as acme.okta.com, without what follows it.")
	case server != "" && !word.MatchString(server):
		f.problem(FieldServer, "An authorization server's ID has letters and digits only, such as default or aus1b2c3d4E5f6G7h8i9.")
	}
	con := storage.Connection{ClientID: f.clientID(), Issuer: "https://" + host, Scopes: []string{"openid", "email", "profile", "groups"}}
	if server != "" {
		// A custom server has no scope groups unless somebody made one, and refuses what it
		// does not know.
		con.Issuer, con.Scopes = con.Issuer+"/oauth2/"+server, []string{"openid", "email", "profile"}
	}
	con.Settings.MFA.AskFor = []string{"urn:okta:loa:2fa:any"}
	f.secret()
	return con
}

// withoutAdmin is the address at which an organization's people sign in: its
// administrators have another.
func withoutAdmin(host string) string {
	org, rest, _ := strings.Cut(host, ".")
	switch rest {
	case "okta.com", "oktapreview.com", "okta-emea.com", "okta-gov.com", "okta.mil":
		return strings.TrimSuffix(org, "-admin") + "." + rest
	}
	return host
}
