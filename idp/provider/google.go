package provider

import (
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"github.com/watchgate/watchgate/storage"
)

// consumer are domains of Google accounts that belong to no organization.
var consumer = []string{"gmail.com", "googlemail.com"}

func google() Preset {
	const clients = "Google Cloud console > Google Auth Platform > Clients > your client"
	return Preset{
		Name: storage.PresetGoogle, Title: "Google Workspace", Page: "docs/providers/google.md",
		Fields: []Field{
			{Name: FieldClientID, Label: "Client ID", Example: "123456789012-a1b2c3d4e5f6.apps.googleusercontent.com", Where: clients},
			{Name: FieldClientSecret, Label: "Client secret", Secret: true, Where: clients},
			{
				Name: FieldDomains, Label: "Workspace domains", Example: "acme.com",
				Hint:  "The primary domain, and with several organizations each one's. Nobody else gets in.",
				Where: "Google Admin console > Account > Domains > Manage domains, marked Primary domain",
			},
		},
		Steps: []Step{
			{Do: "In the Google Cloud console, choose a project of your organization and open Google Auth Platform."},
			{Do: "Under Audience, choose Internal, so that Google itself lets nobody else through."},
			{Do: "Under Clients, click Create client and choose Web application."},
			{Do: "Under Authorized redirect URIs, click Add URI, paste this, and click Create.", Paste: PasteRedirectURI},
			{Do: "Copy the Client ID and the Client secret, which is shown once, into the fields here."},
			{Do: "Copy the primary domain from the Google Admin console, Account > Domains > Manage domains."},
		},
		where: map[string]string{
			"settings":      "Enter the primary domain of your organization, as Google Admin console > Account > Domains > Manage domains shows it.",
			"client_secret": clients + " > Client secrets: add a new secret and copy it.",
			"next_secret":   clients + " > Client secrets > Add secret: both work until you disable the old one.",
			"redirect_uri":  clients + " > Authorized redirect URIs.",
		},
		lasting: true, build: buildGoogle,
	}
}

func buildGoogle(f *form) storage.Connection {
	con := storage.Connection{ClientID: f.clientID(), Issuer: "https://accounts.google.com", Scopes: []string{"openid", "email", "profile"}}
	if con.ClientID != "" && !strings.HasSuffix(con.ClientID, ".apps.googleusercontent.com") {
		f.problem(FieldClientID, "A Google client ID ends with .apps.googleusercontent.com.")
	}
	f.secret()
	split := func(r rune) bool { return strings.ContainsRune(", ;\n\t\r", r) }
	for _, d := range strings.FieldsFunc(f.value(FieldDomains), split) {
		if d = f.workspaceDomain(d); d != "" && !slices.Contains(con.Settings.HostedDomains, d) {
			con.Settings.HostedDomains = append(con.Settings.HostedDomains, d)
		}
	}
	return con
}

func (f *form) workspaceDomain(raw string) string {
	d, err := idna.Lookup.ToASCII(strings.ToLower(strings.Trim(strings.TrimPrefix(strings.ToLower(raw), "https://"), "@./")))
	switch {
	case err != nil || !isDomain(d):
		f.problem(FieldDomains, "%.100q is no domain. Enter it as acme.com.", raw)
	case slices.Contains(consumer, d):
		f.problem(FieldDomains, "%s is everybody's, and not your organization's.", d)
	default:
		return d
	}
	return ""
}
