package provider

import (
	"maps"
	"slices"

	"github.com/watchgate/watchgate/storage"
)

// Names of fields, as [Preset.Build] reads them.
const (
	FieldDomain       = "domain"               // Okta, Auth0: the host
	FieldServer       = "authorization_server" // Okta: the id of a custom one
	FieldDirectory    = "directory_id"         // Entra
	FieldOrganization = "organization"         // Auth0
	FieldDomains      = "domains"              // Google
	FieldIssuer       = "issuer"               // any other provider
	FieldClientID     = "client_id"
	FieldClientSecret = "client_secret"
	FieldSecretEnds   = "client_secret_expires"
)

// What of ours is pasted at a provider, as [Step.Paste] names it.
const (
	PasteRedirectURI = "redirect_uri"           // where people come back to
	PasteBackchannel = "backchannel_logout_uri" // where its logout tokens go to
	PasteRevocation  = "global_token_revocation_endpoint"
)

// Preset is how one provider is connected.
type Preset struct {
	Name  storage.Preset `json:"name"`
	Title string         `json:"title"`
	// Fields are what is asked for: no more than the provider's own pages show.
	Fields []Field `json:"fields"`
	// Steps are what to do there, in order.
	Steps []Step `json:"steps"`
	// Page is the page of the documentation, as docs/providers/okta.md.
	Page string `json:"page"`
	// RoleClaim is the claim that has people's groups there, when they are sent; "": there
	// is no usual one. A connection has none until somebody decides which group gives
	// which role: with one, whoever has no rule is refused.
	RoleClaim string `json:"role_claim,omitempty"`

	where map[string]string
	// lasting: client secrets have no end there.
	lasting bool
	build   func(*form) storage.Connection
}

// Field is something that the provider's administrator knows.
type Field struct {
	Name    string `json:"name"`
	Label   string `json:"label"`
	Hint    string `json:"hint,omitempty"`
	Where   string `json:"where"` // in the provider's console
	Example string `json:"example,omitempty"`
	// Secret is sealed, never shown again, and never passed by a flag.
	Secret   bool `json:"secret,omitempty"`
	Optional bool `json:"optional,omitempty"`
}

// Step is one thing to do in the provider's console.
type Step struct {
	Do string `json:"do"` // a sentence
	// Paste names what of ours goes there; "": nothing.
	Paste string `json:"paste,omitempty"`
}

// Problem is what is wrong with one answer.
type Problem struct {
	Field string `json:"field"`
	Text  string `json:"text"` // a sentence, which quotes no secret
}

// All returns every preset, best known first and any other provider last.
func All() []Preset {
	return []Preset{okta(), entra(), auth0(), google(), generic()}
}

// Find returns the preset of that name; "" is [storage.PresetOIDC].
func Find(name string) (Preset, bool) {
	for _, p := range All() {
		if string(p.Name) == name || name == "" && p.Name == storage.PresetOIDC {
			return p, true
		}
	}
	return Preset{}, false
}

// Remedy says where at a provider to look after a check of a connection; "" when there
// is nothing to say. check is the word of an idp.Finding.
func Remedy(name storage.Preset, check string) string {
	p, _ := Find(string(name))
	if where, ok := p.where[check]; ok {
		return where
	}
	return generic().where[check]
}

// SecretsLast reports whether client secrets have no end at a provider.
func SecretsLast(name storage.Preset) bool {
	p, _ := Find(string(name))
	return p.lasting
}

// Build returns the connection that follows from the answers: kind, preset, issuer,
// client_id, scopes and settings; people are created as they come, as members. Its id,
// name and sealed secret are the caller's matter. What is wrong is said of every field
// at once.
func (p Preset) Build(fields map[string]string) (storage.Connection, []Problem) {
	f := &form{preset: p, fields: fields}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.ContainsFunc(p.Fields, func(known Field) bool { return known.Name == name }) {
			f.problem(name, "%s has no such field.", p.Title)
		}
	}
	con := p.build(f)
	con.Kind, con.Preset = storage.OIDC, p.Name
	con.CreateUsers, con.DefaultRole = true, storage.RoleMember
	if len(f.problems) > 0 {
		return storage.Connection{}, f.problems
	}
	return con, nil
}

// Secret is the client secret of the answers, as it is to be sealed.
func Secret(fields map[string]string) string { return bare(fields[FieldClientSecret]) }
