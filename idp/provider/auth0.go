package provider

import (
	"regexp"

	"github.com/watchgate/watchgate/storage"
)

var auth0Organization = regexp.MustCompile(`^org_[A-Za-z0-9]{1,50}$`)

func auth0() Preset {
	const basics = "Applications > Applications > your app > Settings > Basic Information"
	return Preset{
		Name: storage.PresetAuth0, Title: "Auth0", Page: "docs/providers/auth0.md",
		Fields: []Field{
			{
				Name: FieldDomain, Label: "Domain", Example: "acme.eu.auth0.com", Where: basics,
				Hint: "With a custom domain that people sign in at: that one.",
			},
			{Name: FieldClientID, Label: "Client ID", Example: "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6", Where: basics},
			{Name: FieldClientSecret, Label: "Client Secret", Secret: true, Where: basics},
			{
				Name: FieldOrganization, Label: "Organization ID", Example: "org_9ybsU1dN2dKfDkBi", Optional: true,
				Hint:  "Only if you use Auth0 Organizations: nobody of another one gets in then.",
				Where: "Organizations > your organization > Overview",
			},
		},
		Steps: []Step{
			{Do: "In the Auth0 Dashboard, open Applications > Applications and click Create Application."},
			{Do: "Choose Regular Web Applications, and click Create."},
			{Do: "On the tab Settings, under Application URIs, paste this into Allowed Callback URLs.", Paste: PasteRedirectURI},
			{Do: "Under Advanced Settings > OAuth, see that the JSON Web Token Signature Algorithm is RS256 and OIDC Conformant is on."},
			{Do: "Click Save Changes, and copy Domain, Client ID and Client Secret from the top of the page into the fields here."},
			{Do: "For roles: Actions > Triggers > post-login, and an action that sets a claim with your own address as its name, such as https://acme.example/roles, on the ID token."},
			{Do: "To sign people out here when Auth0 does: on the tab Settings of the app, under OpenID Connect Back-Channel Logout, paste this.", Paste: PasteBackchannel},
		},
		where: map[string]string{
			"settings":      "Compare the domain with " + basics + ". Auth0's issuer is https://, the domain, and a slash at the end.",
			"discovery":     "Compare the domain with " + basics + ".",
			"issuer":        "Auth0's issuer ends with a slash. Compare the domain with " + basics + ".",
			"keys":          "Auth0 > your app > Settings > Advanced Settings > OAuth: set the JSON Web Token Signature Algorithm to RS256.",
			"client_secret": "Auth0 > " + basics + ": copy the Client Secret again.",
			"next_secret":   "Auth0 > your app > Settings > Rotate secret: Auth0 knows one at a time, so enter the new one here at once.",
			"redirect_uri":  "Auth0 > your app > Settings > Application URIs > Allowed Callback URLs.",
		},
		lasting: true, build: buildAuth0,
	}
}

func buildAuth0(f *form) storage.Connection {
	host, path := f.host(FieldDomain)
	if path != "" {
		f.problem(FieldDomain, "Enter the domain alone, such as acme.eu.auth0.com, without what follows it.")
	}
	con := storage.Connection{ClientID: f.clientID(), Issuer: "https://" + host + "/", Scopes: []string{"openid", "email", "profile"}}
	f.secret()
	con.Settings.Organization = f.value(FieldOrganization)
	if con.Settings.Organization != "" && !auth0Organization.MatchString(con.Settings.Organization) {
		f.problem(FieldOrganization, "An organization's ID begins with org_. Its name does not do: it can be changed.")
	}
	con.Settings.MFA.AskFor = []string{"http://schemas.openid.net/pape/policies/2007/06/multi-factor"}
	return con
}
