package orgapi

import (
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Connection is an identity provider as its administrators may see it: everything but
// secrets.
type Connection struct {
	ID       string `json:"id" example:"con_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id."`
	Name     string `json:"name" example:"Acme's Okta" doc:"What the tenant calls it."`
	Kind     string `json:"kind" enum:"oidc,passkey" doc:"oidc: an OpenID provider. passkey: people who have none, and sign in by an e-mailed link and a passkey."`
	Preset   string `json:"preset" enum:"oidc,okta,entra,auth0,google" doc:"Whose product the provider is."`
	Issuer   string `json:"issuer" example:"https://acme.okta.com" doc:"The provider's issuer. It never changes: another provider is another connection."`
	ClientID string `json:"client_id" doc:"The app's id at the provider."`
	Enabled  bool   `json:"enabled" doc:"Whether people sign in through it."`

	RedirectURI        string `json:"redirect_uri,omitempty" format:"uri" example:"https://auth.example.com/login/callback/con_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"To paste at the provider: where people come back to."`
	BackchannelURI     string `json:"backchannel_logout_uri,omitempty" format:"uri" doc:"To paste at the provider: where its logout tokens go."`
	RevocationEndpoint string `json:"global_token_revocation_endpoint,omitempty" format:"uri" doc:"To paste at Okta: where its Universal Logout calls."`

	Settings
	NextSecret      bool       `json:"next_secret" doc:"Whether a client secret was added that can take the place of the one there is."`
	SecretExpiresAt *time.Time `json:"secret_expires_at" nullable:"true" doc:"When the client secret ends at the provider, as somebody said; null: it is not known."`

	CreatedAt  time.Time  `json:"created_at" doc:"When it was made."`
	DisabledAt *time.Time `json:"disabled_at" nullable:"true" doc:"Since when it is disabled; null: it is not."`
	Version    int64      `json:"version" doc:"Counts changes; the ETag carries it."`
}

// Settings are what an administrator decides about a connection.
type Settings struct {
	Scopes      []string `json:"scopes" nullable:"false" example:"[\"openid\",\"profile\",\"email\"]" doc:"What the provider is asked for."`
	Algs        []string `json:"algs" nullable:"false" doc:"The algorithms of ID tokens that are accepted; empty: RS256 and ES256."`
	CreateUsers bool     `json:"create_users" doc:"Whether a first sign-in makes the person."`
	DefaultRole string   `json:"default_role" enum:"owner,admin,member,viewer" doc:"The role of new people where no claim says one."`

	RoleClaim    string     `json:"role_claim" example:"groups" doc:"The claim that says people's roles at each sign-in: its name, or a JSON pointer when it starts with a slash; empty: none does."`
	RoleRules    []RoleRule `json:"role_rules" nullable:"false" doc:"Which value of the claim gives which role, compared exactly; the highest counts. Empty: a value is the role's own name."`
	UnmappedRole string     `json:"unmapped_role" enum:"owner,admin,member,viewer,none" doc:"The role of people whom no rule fits; none: they are refused."`

	MFAAMR    []string `json:"mfa_amr" nullable:"false" doc:"The values of amr that prove a second factor, instead of what is known of the provider."`
	MFAACR    []string `json:"mfa_acr" nullable:"false" doc:"The values of acr that prove a second factor."`
	MFAPhr    []string `json:"mfa_phishing_resistant" nullable:"false" doc:"The values of amr or acr that prove a phishing-resistant factor."`
	MFAAskFor []string `json:"mfa_ask_for" nullable:"false" doc:"The acr_values that are asked for when a second factor is missing; empty: people use one of this server."`
	MFAIgnore bool     `json:"mfa_ignore" doc:"Whether nothing that the provider says of second factors is believed."`

	DirectoryIDs    []string `json:"directory_ids" nullable:"false" doc:"Entra: the directories whose people may sign in."`
	AllowGuests     bool     `json:"allow_guests" doc:"Entra: whether guests from other directories may."`
	AllowPersonal   bool     `json:"allow_personal" doc:"Entra: whether personal Microsoft accounts may."`
	GroupsFromGraph bool     `json:"groups_from_graph" doc:"Entra: whether Microsoft Graph is asked when a token has no room for the groups; otherwise such a sign-in is refused."`
	Organization    string   `json:"organization" doc:"Auth0: the organization that every sign-in has to be of; empty: any."`
	HostedDomains   []string `json:"hosted_domains" nullable:"false" doc:"Google: the Workspace domains whose people may sign in."`
}

// RoleRule gives a role to whoever has a value in the role claim.
type RoleRule struct {
	Value string `json:"value" minLength:"1" maxLength:"200" example:"watchgate-admins" doc:"The value, as a group's id; compared exactly."`
	Role  string `json:"role" enum:"owner,admin,member,viewer" example:"admin" doc:"The role that it gives."`
}

// Resource is a connection's address and type in JSON-LD.
func (c Connection) Resource() (address, kind string) {
	return connectionsPath + "/" + c.ID, "Connection"
}

// connection describes one.
func (a *API) connection(t storage.TenantID, c storage.Connection) Connection {
	out := Connection{
		ID: string(c.ID), Name: c.Name, Kind: string(c.Kind), Preset: presetName(c.Preset), Issuer: c.Issuer, ClientID: c.ClientID, Enabled: c.DisabledAt.IsZero(),
		Settings: settingsOf(c), NextSecret: c.SealedNextSecret != nil, SecretExpiresAt: moment(c.SecretExpiresAt),
		CreatedAt: c.CreatedAt.UTC(), DisabledAt: moment(c.DisabledAt), Version: c.Version,
	}
	if c.Kind == storage.OIDC {
		p := a.places(t, c.ID)
		out.RedirectURI, out.BackchannelURI = p.RedirectURI, p.BackchannelURI
		if c.Preset == storage.PresetOkta {
			out.RevocationEndpoint = p.RevocationEndpoint
		}
	}
	return out
}

func settingsOf(c storage.Connection) Settings {
	s := c.Settings
	out := Settings{
		Scopes: listed(c.Scopes), Algs: listed(c.Algs), CreateUsers: c.CreateUsers, DefaultRole: string(c.DefaultRole),
		RoleClaim: c.RoleClaim, RoleRules: []RoleRule{}, UnmappedRole: roleName(s.UnmappedRole),
		MFAAMR: listed(s.MFA.AMR), MFAACR: listed(s.MFA.ACR), MFAPhr: listed(s.MFA.PhishingResistant), MFAAskFor: listed(s.MFA.AskFor), MFAIgnore: s.MFA.Ignore,
		DirectoryIDs: listed(s.DirectoryIDs), AllowGuests: s.AllowGuests, AllowPersonal: s.AllowPersonal, GroupsFromGraph: s.GroupsFromGraph,
		Organization: s.Organization, HostedDomains: listed(s.HostedDomains),
	}
	for _, r := range s.RoleRules {
		out.RoleRules = append(out.RoleRules, RoleRule{r.Value, string(r.Role)})
	}
	return out
}

// none is how no role is written.
const none = "none"

func roleName(r storage.Role) string {
	if r == "" {
		return none
	}
	return string(r)
}

func roleOf(name string) storage.Role {
	if name == none {
		return ""
	}
	return storage.Role(name)
}

func presetName(p storage.Preset) string {
	if p == "" {
		return string(storage.PresetOIDC)
	}
	return string(p)
}

func rulesOf(wire []RoleRule) []storage.RoleRule {
	var out []storage.RoleRule
	for _, r := range wire {
		out = append(out, storage.RoleRule{Value: r.Value, Role: storage.Role(r.Role)})
	}
	return out
}
