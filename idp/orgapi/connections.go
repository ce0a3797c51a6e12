package orgapi

import (
	"cmp"
	"context"
	"reflect"
	"slices"

	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

const (
	connectionsPath = "/v1/connections"
	presetsPath     = "/v1/connection-presets"
)

// ConnectionPath is the part of an input that names a connection.
type ConnectionPath struct {
	ID string `path:"id" minLength:"1" maxLength:"64" example:"con_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id of the connection."`
}

func (p ConnectionPath) id() storage.ConnectionID { return storage.ConnectionID(p.ID) }

// connectionOutput answers with a connection.
type connectionOutput struct {
	ETag string `header:"ETag" doc:"The version of the connection, for If-Match."`
	Body Connection
}

func (a *API) found(c caller, con storage.Connection) *connectionOutput {
	return &connectionOutput{ETag: manage.ETag(con.Version), Body: a.connection(c.Tenant, con)}
}

type listConnections struct{ manage.Page }

func (a *API) listConnections(ctx context.Context, in *listConnections) (*manage.List[Connection], error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	all := func(ctx context.Context) ([]storage.Connection, error) {
		return a.cfg.Directory.Connections(ctx, c.tenant())
	}
	return manage.Paginate(ctx, in.Page, short(all, func(con storage.Connection) string { return string(con.ID) }),
		func(con storage.Connection) Connection { return a.connection(c.Tenant, con) })
}

func (a *API) getConnection(ctx context.Context, in *ConnectionPath) (*connectionOutput, error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	con, err := a.cfg.Directory.Connection(ctx, c.tenant(), in.id())
	if err != nil {
		return nil, refusal(err)
	}
	return a.found(c, con), nil
}

// NewConnection is the body of a request for a connection.
type NewConnection struct {
	Name   string            `json:"name" minLength:"1" maxLength:"100" example:"Acme's provider" doc:"What the tenant calls it."`
	Preset string            `json:"preset,omitempty" enum:"oidc,okta,entra,auth0,google" example:"oidc" doc:"Whose product the provider is; absent: any other."`
	Fields map[string]string `json:"fields" minProperties:"1" example:"{\"issuer\":\"https://id.acme.example/realms/acme\",\"client_id\":\"watchgate\",\"client_secret\":\"a-secret-of-the-provider\"}" doc:"What the preset asks for: see the connection presets. The client secret among them is never shown again."`
	Draft  string            `json:"draft,omitempty" maxLength:"128" doc:"The draft whose addresses were pasted at the provider; absent: the connection gets new ones."`

	CreateUsers  *bool      `json:"create_users,omitempty" doc:"Whether a first sign-in makes the person; absent: it does."`
	DefaultRole  string     `json:"default_role,omitempty" enum:"admin,member,viewer,owner" example:"member" doc:"The role of new people where no claim says one; absent: member."`
	RoleClaim    string     `json:"role_claim,omitempty" maxLength:"200" doc:"The claim that says people's roles, as groups, or as a JSON pointer; absent: none does."`
	RoleRules    []RoleRule `json:"role_rules,omitempty" nullable:"false" maxItems:"200" doc:"Which value of the claim gives which role."`
	UnmappedRole string     `json:"unmapped_role,omitempty" enum:"owner,admin,member,viewer,none" doc:"The role of people whom no rule fits; absent: they are refused."`
}

type createConnection struct{ Body NewConnection }

type createdConnection struct {
	Location string `header:"Location" doc:"Where the connection is."`
	ETag     string `header:"ETag" doc:"The version of the connection, for If-Match."`
	Body     Connection
}

func (a *API) createConnection(ctx context.Context, in *createConnection) (*createdConnection, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	con, err := a.wanted(c, in.Body)
	switch {
	case err != nil:
		return nil, err
	case makesOwners(con) && !c.owner():
		return nil, forOwners()
	}
	con, err = a.cfg.Directory.AddDisabledConnection(c, c.tenant(), con, provider.Secret(in.Body.Fields))
	if err != nil {
		return nil, refusal(err)
	}
	return &createdConnection{connectionsPath + "/" + string(con.ID), manage.ETag(con.Version), a.connection(c.Tenant, con)}, nil
}

// wanted is the connection that a request asks for.
func (a *API) wanted(c caller, b NewConnection) (storage.Connection, error) {
	preset, _ := provider.Find(b.Preset) // the frame knows the names
	con, problems := preset.Build(b.Fields)
	if len(problems) > 0 {
		return con, asked(problems)
	}
	if b.Draft != "" {
		id, ok := a.drafted(c.Tenant, b.Draft)
		if !ok {
			return con, wrong("draft", "This is no draft of ours for this tenant.")
		}
		con.ID = id
	}
	con.Name = b.Name
	if b.CreateUsers != nil {
		con.CreateUsers = *b.CreateUsers
	}
	con.DefaultRole = storage.Role(cmp.Or(b.DefaultRole, string(con.DefaultRole)))
	con.RoleClaim = cmp.Or(b.RoleClaim, con.RoleClaim)
	con.Settings.RoleRules, con.Settings.UnmappedRole = rulesOf(b.RoleRules), roleOf(b.UnmappedRole)
	return con, nil
}

// asked is what is wrong with what a preset asked for.
func asked(problems []provider.Problem) error {
	p := &manage.Problem{Kind: manage.Invalid}
	for _, wrong := range problems {
		p.Fields = append(p.Fields, manage.Field{Field: "fields." + wrong.Field, Detail: wrong.Text})
	}
	return p
}

// makesOwners reports whether somebody can come to be an owner through a connection:
// by its word, or because its provider may say so.
func makesOwners(c storage.Connection) bool {
	owner := func(r storage.RoleRule) bool { return r.Role == storage.RoleOwner }
	return c.DefaultRole == storage.RoleOwner || c.Settings.UnmappedRole == storage.RoleOwner ||
		slices.ContainsFunc(c.Settings.RoleRules, owner) || c.RoleClaim != "" && len(c.Settings.RoleRules) == 0
}

// PatchConnection is a JSON Merge Patch (RFC 7396): what is left out stays.
type PatchConnection struct {
	Name     manage.Optional[string]   `json:"name,omitempty" nullable:"false" minLength:"1" maxLength:"100" example:"Acme's provider" doc:"What the tenant calls it."`
	ClientID manage.Optional[string]   `json:"client_id,omitempty" nullable:"false" minLength:"1" maxLength:"500" doc:"The app's id at the provider."`
	Scopes   manage.Optional[[]string] `json:"scopes,omitempty" nullable:"false" maxItems:"32" doc:"What the provider is asked for."`
	Algs     manage.Optional[[]string] `json:"algs,omitempty" maxItems:"10" doc:"The algorithms of ID tokens that are accepted; null: RS256 and ES256."`

	CreateUsers  manage.Optional[bool]       `json:"create_users,omitempty" nullable:"false" doc:"Whether a first sign-in makes the person."`
	DefaultRole  manage.Optional[string]     `json:"default_role,omitempty" nullable:"false" enum:"owner,admin,member,viewer" doc:"The role of new people where no claim says one."`
	RoleClaim    manage.Optional[string]     `json:"role_claim,omitempty" maxLength:"200" doc:"The claim that says people's roles; null: none does."`
	RoleRules    manage.Optional[[]RoleRule] `json:"role_rules,omitempty" maxItems:"200" doc:"Which value of the claim gives which role; null: a value is the role's own name."`
	UnmappedRole manage.Optional[string]     `json:"unmapped_role,omitempty" nullable:"false" enum:"owner,admin,member,viewer,none" doc:"The role of people whom no rule fits; none: they are refused."`

	MFAAMR    manage.Optional[[]string] `json:"mfa_amr,omitempty" maxItems:"32" doc:"The values of amr that prove a second factor; null: those that are known of the provider."`
	MFAACR    manage.Optional[[]string] `json:"mfa_acr,omitempty" maxItems:"32" doc:"The values of acr that prove a second factor."`
	MFAPhr    manage.Optional[[]string] `json:"mfa_phishing_resistant,omitempty" maxItems:"32" doc:"The values that prove a phishing-resistant factor."`
	MFAAskFor manage.Optional[[]string] `json:"mfa_ask_for,omitempty" maxItems:"32" doc:"The acr_values that are asked for when a second factor is missing."`
	MFAIgnore manage.Optional[bool]     `json:"mfa_ignore,omitempty" nullable:"false" doc:"Whether nothing that the provider says of second factors is believed."`

	DirectoryIDs    manage.Optional[[]string] `json:"directory_ids,omitempty" maxItems:"32" doc:"Entra: the directories whose people may sign in."`
	AllowGuests     manage.Optional[bool]     `json:"allow_guests,omitempty" nullable:"false" doc:"Entra: whether guests may."`
	AllowPersonal   manage.Optional[bool]     `json:"allow_personal,omitempty" nullable:"false" doc:"Entra: whether personal accounts may."`
	GroupsFromGraph manage.Optional[bool]     `json:"groups_from_graph,omitempty" nullable:"false" doc:"Entra: whether Microsoft Graph is asked for groups."`
	Organization    manage.Optional[string]   `json:"organization,omitempty" maxLength:"200" doc:"Auth0: the organization; null: any."`
	HostedDomains   manage.Optional[[]string] `json:"hosted_domains,omitempty" maxItems:"32" doc:"Google: the Workspace domains."`
}

// fixedConnection are the members of a connection that nobody changes.
var fixedConnection = []string{
	"id", "kind", "preset", "issuer", "enabled", "redirect_uri", "backchannel_logout_uri", "global_token_revocation_endpoint", "next_secret",
	"secret_expires_at", "created_at", "disabled_at", "version", "client_secret",
}

type patchConnection struct {
	ConnectionPath
	manage.IfMatch
	Body PatchConnection `contentType:"application/merge-patch+json"`
}

func (a *API) patchConnection(ctx context.Context, in *patchConnection) (*connectionOutput, error) {
	c, version, err := writerAt(ctx, in.IfMatch)
	if err != nil {
		return nil, err
	}
	was, err := a.cfg.Directory.Connection(ctx, c.tenant(), in.id())
	switch {
	case err != nil:
		return nil, refusal(err)
	case version != 0 && version != was.Version:
		return nil, in.Failed()
	}
	will, err := in.Body.applied(was)
	switch {
	case err != nil:
		return nil, err
	case reflect.DeepEqual(was, will):
		return a.found(c, was), nil
	}
	if err := mayBelieve(c, was, will); err != nil {
		return nil, err
	}
	if !onlyRenamed(was, will) {
		if err := a.mayTouch(c, was, will); err != nil {
			return nil, err
		}
	}
	if err := a.cfg.Directory.ReplaceConnection(c, c.tenant(), will, ""); err != nil {
		return nil, unmatched(in.IfMatch, err)
	}
	will.Version++
	return a.found(c, will), nil
}

func onlyRenamed(was, will storage.Connection) bool {
	was.Name = will.Name
	return reflect.DeepEqual(was, will)
}

// patching changes fields, and collects those that cannot be null and are.
type patching struct{ nulls []manage.Field }

// may sets a field that null empties.
func may[T any](o manage.Optional[T], field *T) {
	if o.Set {
		*field = o.Value
	}
}

// must sets a field that cannot be null.
func must[T any](p *patching, name string, o manage.Optional[T], field *T) {
	if o.Null {
		p.nulls = append(p.nulls, manage.Field{Field: name, Detail: "It cannot be null."})
		return
	}
	may(o, field)
}

// refuse returns nil when nothing is null that cannot be.
func (p *patching) refuse() error {
	if len(p.nulls) == 0 {
		return nil
	}
	return manage.Refuse(manage.Invalid, "", p.nulls...)
}

// applied is a connection with what is different.
func (b PatchConnection) applied(c storage.Connection) (storage.Connection, error) {
	var p patching
	must(&p, "name", b.Name, &c.Name)
	must(&p, "client_id", b.ClientID, &c.ClientID)
	must(&p, "scopes", b.Scopes, &c.Scopes)
	may(b.Algs, &c.Algs)
	b.applyRoles(&p, &c)
	s := &c.Settings
	may(b.MFAAMR, &s.MFA.AMR)
	may(b.MFAACR, &s.MFA.ACR)
	may(b.MFAPhr, &s.MFA.PhishingResistant)
	may(b.MFAAskFor, &s.MFA.AskFor)
	must(&p, "mfa_ignore", b.MFAIgnore, &s.MFA.Ignore)
	may(b.DirectoryIDs, &s.DirectoryIDs)
	must(&p, "allow_guests", b.AllowGuests, &s.AllowGuests)
	must(&p, "allow_personal", b.AllowPersonal, &s.AllowPersonal)
	must(&p, "groups_from_graph", b.GroupsFromGraph, &s.GroupsFromGraph)
	may(b.Organization, &s.Organization)
	may(b.HostedDomains, &s.HostedDomains)
	return c, p.refuse()
}

// applyRoles is who is made, and as what.
func (b PatchConnection) applyRoles(p *patching, c *storage.Connection) {
	role, unmapped := string(c.DefaultRole), roleName(c.Settings.UnmappedRole)
	must(p, "create_users", b.CreateUsers, &c.CreateUsers)
	must(p, "default_role", b.DefaultRole, &role)
	must(p, "unmapped_role", b.UnmappedRole, &unmapped)
	may(b.RoleClaim, &c.RoleClaim)
	c.DefaultRole, c.Settings.UnmappedRole = storage.Role(role), roleOf(unmapped)
	if b.RoleRules.Set {
		c.Settings.RoleRules = rulesOf(b.RoleRules.Value)
	}
}

func (a *API) enableConnection(ctx context.Context, in *ConnectionPath) (*connectionOutput, error) {
	return a.switched(ctx, in, true)
}

func (a *API) disableConnection(ctx context.Context, in *ConnectionPath) (*connectionOutput, error) {
	return a.switched(ctx, in, false)
}

func (a *API) switched(ctx context.Context, in *ConnectionPath, on bool) (*connectionOutput, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	con, err := a.cfg.Directory.Connection(ctx, c.tenant(), in.id())
	if err != nil {
		return nil, refusal(err)
	}
	if con.DisabledAt.IsZero() == on {
		return a.found(c, con), nil
	}
	if on {
		err = a.mayTouch(c, con)
	} else {
		err = a.mayClose(c, con.ID) // that nobody comes to be an owner any more is no loss
	}
	if err != nil {
		return nil, err
	}
	if err := a.cfg.Directory.SetConnectionEnabled(c, c.tenant(), in.id(), on); err != nil {
		return nil, refusal(err)
	}
	con, err = a.cfg.Directory.Connection(ctx, c.tenant(), in.id())
	if err != nil {
		return nil, refusal(err)
	}
	return a.found(c, con), nil
}

// withProvider finds a connection that has a provider.
func (a *API) withProvider(c caller, id storage.ConnectionID) (storage.Connection, error) {
	con, err := a.cfg.Directory.Connection(c, c.tenant(), id)
	if err != nil {
		return con, refusal(err)
	}
	if con.Kind == storage.Passkey {
		return con, &manage.Problem{Kind: manage.Invalid, Detail: "People of this connection have no identity provider: there is nothing to look at."}
	}
	return con, nil
}
