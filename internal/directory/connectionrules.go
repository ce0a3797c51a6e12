package directory

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// Limits of what a connection says.
const (
	maxRoleRules = 200
	maxWords     = 32  // of a list, as of amr values
	maxWord      = 200 // bytes
)

// claimName is that of a claim: a word, or a URI as some providers want it for claims
// of one's own.
var claimName = regexp.MustCompile(`^[\x21-\x7E]{1,200}$`)

// pointer is a JSON pointer (RFC 6901) of printable ASCII.
var pointer = regexp.MustCompile(`^(/([\x20-\x2E\x30-\x7D]|~[01])*){1,8}$`)

// directoryID is a tid: a GUID in lower case.
var directoryID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// knownClaims are those of ID tokens and of OpenID Connect Core section 5.1.
var knownClaims = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash",
	"sid", "cnf", "scope", "client_id",
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
	"email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified", "address", "updated_at",
}

var (
	roles   = []storage.Role{storage.RoleOwner, storage.RoleAdmin, storage.RoleMember, storage.RoleViewer}
	presets = []storage.Preset{"", storage.PresetOIDC, storage.PresetOkta, storage.PresetEntra, storage.PresetAuth0, storage.PresetGoogle}
	algs    = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

// CheckConnection says what is wrong with a connection that is to be stored, or nil. secret is the
// client secret that goes with it.
func (d *Directory) CheckConnection(c storage.Connection, secret string) error {
	return d.checkConnection(c, secret)
}

// checkConnection collects everything that is wrong with a connection.
func (d *Directory) checkConnection(c storage.Connection, secret string) error {
	p := &Problem{}
	checkName(p, c.Name)
	checkRole(p, "default_role", "default role", c.DefaultRole)
	switch c.Kind {
	case storage.OIDC:
		d.checkProvider(p, c, secret)
	case storage.Passkey:
		d.checkLocal(p, c)
	default:
		p.in("kind", "the kind of a connection is oidc or passkey, not %q", c.Kind)
	}
	return p.or()
}

// checkLocal looks at a connection of people who have no provider.
func (d *Directory) checkLocal(p *Problem, c storage.Connection) {
	if c.Issuer != d.cfg.Issuer {
		p.in("issuer", "the issuer of people without a provider is this deployment, %s", d.cfg.Issuer)
	}
	if c.ClientID != "" || c.RoleClaim != "" || len(c.Settings.RoleRules) > 0 || c.CreateUsers {
		p.in("kind", "a connection of kind passkey has no client, no claims, and nobody who was not invited")
	}
}

func (d *Directory) checkProvider(p *Problem, c storage.Connection, secret string) {
	if !d.goodIssuer(c.Issuer) {
		p.in("issuer", "the issuer %q must be an https URL without query and fragment, exactly as the provider's discovery document has it", c.Issuer)
	}
	if c.ClientID == "" || secret == "" {
		p.in("client_id", "give the client id and the client secret that the provider shows")
	}
	if len(c.ClientID) > 500 || len(secret) > 4000 {
		p.in("client_id", "a client id has at most 500 bytes, and a client secret 4000")
	}
	for i, alg := range c.Algs {
		if !slices.Contains(algs, alg) {
			p.in(at("algs", i), "ID tokens signed with %q are not accepted: use an asymmetric algorithm", alg)
		}
	}
	if !slices.Contains(presets, c.Preset) {
		p.in("preset", "the preset %q is unknown: use oidc, okta, entra, auth0 or google", c.Preset)
	}
	checkScopes(p, c.Scopes)
	checkRoleClaim(p, c.RoleClaim)
	checkSettings(p, c)
}

func checkScopes(p *Problem, scopes []string) {
	if len(scopes) > maxWords {
		p.in("scopes", "ask a provider for at most %d scopes", maxWords)
	}
	for i, s := range scopes {
		if !scopeName.MatchString(s) {
			p.in(at("scopes", i), "the scope %q has characters that RFC 6749 section 3.3 does not allow", s)
		}
	}
}

func checkRole(p *Problem, field, what string, role storage.Role) {
	if !slices.Contains(roles, role) {
		p.in(field, "the %s must be owner, admin, member or viewer, not %q", what, role)
	}
}

// checkRoleClaim refuses a claim that is no statement of the tenant about a person:
// most providers let people write their own name or nickname, also where a pointer
// names it.
func checkRoleClaim(p *Problem, claim string) {
	top, isPointer := claim, strings.HasPrefix(claim, "/")
	if isPointer {
		top, _, _ = strings.Cut(claim[1:], "/")
		top = strings.NewReplacer("~1", "/", "~0", "~").Replace(top)
	}
	switch {
	case claim == "":
	case slices.Contains(knownClaims, top):
		p.in("role_claim", "the role claim cannot be %s, which has a meaning of its own or is what people say about themselves: let the provider send another", top)
	case isPointer && (!pointer.MatchString(claim) || len(claim) > maxWord):
		p.in("role_claim", "the role claim %q is no JSON pointer (RFC 6901) of at most 8 steps and %d bytes", claim, maxWord)
	case !isPointer && !claimName.MatchString(claim):
		p.in("role_claim", "the role claim %q is no claim's name: use printable ASCII without spaces, at most 200 characters", claim)
	}
}

func checkSettings(p *Problem, c storage.Connection) {
	s := c.Settings
	checkRules(p, c)
	if s.UnmappedRole != "" {
		checkRole(p, "unmapped_role", "role of people whom no rule fits", s.UnmappedRole)
	}
	for i, id := range s.DirectoryIDs {
		if !directoryID.MatchString(id) {
			p.in(at("directory_ids", i), "%q is no directory's id: it is a GUID in lower case", id)
		}
	}
	if c.Preset == storage.PresetGoogle && len(s.HostedDomains) == 0 {
		p.in("hosted_domains", "name the Google Workspace domains whose people may sign in: without one, everybody with a Google account could")
	}
	checkHosted(p, s.HostedDomains)
	checkWords(p, "directory_ids", s.DirectoryIDs)
	if s.Organization != "" && !claimName.MatchString(s.Organization) {
		p.in("organization", "the organization %q is no id of one", s.Organization)
	}
	checkWords(p, "mfa.amr", s.MFA.AMR)
	checkWords(p, "mfa.acr", s.MFA.ACR)
	checkWords(p, "mfa.phishing_resistant", s.MFA.PhishingResistant)
	checkWords(p, "mfa.ask_for", s.MFA.AskFor)
}

// checkRules looks at who gets which role (FO-20).
func checkRules(p *Problem, c storage.Connection) {
	rules := c.Settings.RoleRules
	if len(rules) > maxRoleRules {
		p.in("role_rules", "there may be %d role rules", maxRoleRules)
	}
	if len(rules) > 0 && c.RoleClaim == "" {
		p.in("role_claim", "role rules need the claim that they are about")
	}
	for i, r := range rules {
		if r.Value == "" || len(r.Value) > maxWord || strings.ContainsFunc(r.Value, invisible) {
			p.in(at("role_rules", i)+".value", "the value of a role rule has 1 to %d bytes, and no control characters", maxWord)
		}
		checkRole(p, at("role_rules", i)+".role", "role of a rule", r.Role)
	}
}

func checkHosted(p *Problem, hosted []string) {
	for i, h := range hosted {
		if name := strings.ToLower(h); name != h || !strings.Contains(h, ".") {
			p.in(at("hosted_domains", i), "%q is no domain in lower case", h)
		}
	}
	checkWords(p, "hosted_domains", hosted)
}

func checkWords(p *Problem, field string, words []string) {
	if len(words) > maxWords {
		p.in(field, "there may be %d of them", maxWords)
	}
	for i, w := range words {
		if !claimName.MatchString(w) {
			p.in(at(field, i), "%q has to be of 1 to %d characters of printable ASCII without spaces", w, maxWord)
		}
	}
}

func at(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// goodIssuer reports whether an issuer can be pinned (OIDC Discovery section 3).
func (d *Directory) goodIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil || len(issuer) > 1000 || u.Host == "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || d.onThisMachine(u)
}

// onThisMachine reports whether an http address is one of a demonstration.
func (d *Directory) onThisMachine(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return d.cfg.InsecureIssuers && u.Scheme == "http" && err == nil && ip.IsLoopback()
}
