package provider

import (
	"slices"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

const entraBase = "https://login.microsoftonline.com/"

func entra() Preset {
	const overview = "App registrations > your app > Overview"
	return Preset{
		Name: storage.PresetEntra, Title: "Microsoft Entra ID", Page: "docs/providers/entra.md", RoleClaim: "groups",
		Fields: []Field{
			{Name: FieldDirectory, Label: "Directory (tenant) ID", Example: "4f1c2a7e-9b3d-4c55-8a61-0d2e7b9f3c14", Where: overview},
			{Name: FieldClientID, Label: "Application (client) ID", Example: "b8e0d6f2-1c4a-4e7b-93d5-6a2f8c0e1b37", Where: overview},
			{
				Name: FieldClientSecret, Label: "Client secret (its Value)", Secret: true,
				Hint:  "The Value, which is shown once, and not the Secret ID.",
				Where: "App registrations > your app > Certificates & secrets > Client secrets",
			},
			{
				Name: FieldSecretEnds, Label: "Day on which the secret ends", Example: "2027-03-14",
				Hint:  "Watchgate reminds you in time: nobody can sign in with an expired secret.",
				Where: "App registrations > your app > Certificates & secrets > Client secrets, in the column Expires",
			},
		},
		Steps: []Step{
			{Do: "In the Microsoft Entra admin center, open Entra ID > App registrations and click New registration."},
			{Do: "Under Supported account types, choose Accounts in this organizational directory only."},
			{Do: "Under Redirect URI, choose Web, paste this, and click Register.", Paste: PasteRedirectURI},
			{Do: "Copy the Application (client) ID and the Directory (tenant) ID from the page Overview into the fields here."},
			{Do: "Open Certificates & secrets > Client secrets, click New client secret, and copy its Value and the day in the column Expires into the fields here."},
			{Do: "Open Token configuration > Add optional claim > ID, and tick acct, auth_time, email, family_name, given_name, sid and xms_edov. If xms_edov is not in the list, add it under Manifest, in optionalClaims > idToken."},
			{Do: "For roles by groups: Token configuration > Add groups claim > Groups assigned to the application, as Group ID."},
			{Do: "To decide who may sign in: Enterprise applications > your app > Properties, set Assignment required to Yes, and assign people or groups under Users and groups."},
		},
		where: map[string]string{
			"settings":      "Copy the Directory (tenant) ID from " + overview + ": it is a GUID. common and organizations are none.",
			"discovery":     "Compare the Directory (tenant) ID with " + overview + " in the Microsoft Entra admin center.",
			"issuer":        "Copy the Directory (tenant) ID from " + overview + ". A domain such as acme.onmicrosoft.com does not do in its place.",
			"client_secret": "Microsoft Entra admin center > App registrations > your app > Certificates & secrets: make a new client secret, and copy its Value, not its Secret ID.",
			"next_secret":   "Microsoft Entra admin center > App registrations > your app > Certificates & secrets: copy the new secret's Value before the old one ends.",
			"secret_expiry": "Microsoft Entra admin center > App registrations > your app > Certificates & secrets > New client secret. Enter it as the next secret: until the old one ends, both work.",
			"redirect_uri":  "Microsoft Entra admin center > App registrations > your app > Authentication > Web > Redirect URIs.",
		},
		build: buildEntra,
	}
}

func buildEntra(f *form) storage.Connection {
	id := f.directoryID()
	con := storage.Connection{ClientID: strings.ToLower(f.clientID()), Issuer: entraBase + id + "/v2.0", Scopes: []string{"openid", "email", "profile"}}
	if con.ClientID != "" && !guid.MatchString(con.ClientID) {
		f.problem(FieldClientID, "An application (client) ID looks like b8e0d6f2-1c4a-4e7b-93d5-6a2f8c0e1b37.")
	}
	if id != "" && con.ClientID == id {
		f.problem(FieldClientID, "The application ID and the directory ID are the same. Copy both again from the page Overview.")
	}
	if guid.MatchString(strings.ToLower(f.secret())) {
		f.problem(FieldClientSecret, "This is the Secret ID. Copy the Value, which is shown only when the secret is made.")
	}
	con.SecretExpiresAt = f.date(FieldSecretEnds)
	con.Settings.DirectoryIDs = []string{id}
	return con
}

// directoryID reads a directory's id: alone, or in an address of its endpoints.
func (f *form) directoryID() string {
	v := strings.ToLower(f.value(FieldDirectory))
	if rest, ok := strings.CutPrefix(v, entraBase); ok {
		v, _, _ = strings.Cut(rest, "/")
	}
	switch {
	case v == "" || guid.MatchString(v):
		return v
	case slices.Contains([]string{"common", "organizations", "consumers"}, v):
		f.problem(FieldDirectory, "%s stands for every directory. Enter the ID of yours.", v)
	case strings.Contains(v, "."):
		f.problem(FieldDirectory, "A domain can be given to another directory. Enter the directory's ID, which stays.")
	default:
		f.problem(FieldDirectory, "A directory (tenant) ID looks like 4f1c2a7e-9b3d-4c55-8a61-0d2e7b9f3c14.")
	}
	return ""
}
