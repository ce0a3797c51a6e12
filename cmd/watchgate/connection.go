package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/storage"
)

type connectionCmd struct {
	List          connectionList    `cmd:"" help:"List a tenant's identity providers; 'connection show' says the rest of one."`
	Show          connectionShow    `cmd:"" help:"Show one, with what its claims mean here."`
	Presets       connectionPresets `cmd:"" help:"What to click at Okta, Entra ID, Auth0, Google or another provider, and what to paste there."`
	Create        connectionCreate  `cmd:"" help:"Connect an identity provider to a tenant."`
	Set           connectionSet     `cmd:"" help:"Change what a provider's claims mean: roles, proof of a second factor, whom it lets in; or its name, or when its client secret ends."`
	Doctor        connectionDoctor  `cmd:"" help:"Look at a provider without signing anybody in: discovery, keys, clock, scopes, client secret."`
	Test          connectionTest    `cmd:"" help:"Try a sign-in that signs nobody in, and see which role the person would get."`
	RotateSecret  secretRotate      `cmd:"" help:"Add the client secret that comes next; the old one works on until it is dropped."`
	PromoteSecret secretPromote     `cmd:"" help:"Forget the old client secret after a rotation."`
	Disable       connectionSwitch  `cmd:"" help:"Stop a connection: sessions and tokens that came through it are dead at once."`
	Enable        connectionSwitch  `cmd:"" help:"Enable a disabled connection again."`
}

type connectionList struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
}

func (c *connectionList) do(ctx context.Context, ops operators) (report, error) {
	all, err := ops.directory.Connections(ctx, c.Tenant)
	r := report{Columns: []string{"id", "name", "kind", "preset", "secret ends", "state"}}
	for _, con := range all {
		r.Rows = append(r.Rows, []string{
			string(con.ID), con.Name, string(con.Kind), presetOf(con), date(con.SecretExpiresAt), state(con.DisabledAt, "disabled"),
		})
	}
	return r, err
}

// date is a day, or a dash.
func date(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.DateOnly)
}

// connection reads a connection, and the tenant that has it.
func (o operators) connection(ctx context.Context, tenant, id string) (storage.Tenant, storage.Connection, error) {
	t, err := o.directory.Tenant(ctx, tenant)
	if err != nil {
		return t, storage.Connection{}, err
	}
	con, err := o.directory.Connection(ctx, tenant, storage.ConnectionID(id))
	return t, con, err
}

type connectionShow struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	ID     string `arg:"" help:"The connection's id."`
}

func (c *connectionShow) do(ctx context.Context, ops operators) (report, error) {
	t, con, err := ops.connection(ctx, c.Tenant, c.ID)
	if err != nil {
		return report{}, err
	}
	r := connectionReport(con)
	if con.Kind != storage.OIDC {
		return r, nil
	}
	to := pasted{Addresses: provider.Addresses{Issuer: ops.issuer(), Tenant: t.ID, Connection: con.ID}}
	for _, a := range to.addresses(con.Preset) {
		r.Columns, r.Rows[0] = append(r.Columns, a.name), append(r.Rows[0], a.uri)
	}
	return r, nil
}

// connectionReport is a connection, a line for each thing that is said of it.
func connectionReport(con storage.Connection) report {
	all, mfa := con.Settings, con.Settings.MFA
	rules := make([]string, len(all.RoleRules))
	for i, rule := range all.RoleRules {
		rules[i] = rule.Value + "=" + string(rule.Role)
	}
	r := report{Tall: true, Rows: [][]string{nil}}
	for _, line := range [][2]string{
		{"id", string(con.ID)}, {"name", con.Name}, {"kind", string(con.Kind)}, {"preset", presetOf(con)}, {"issuer", con.Issuer},
		{"client_id", con.ClientID}, {"state", state(con.DisabledAt, "disabled")}, {"scopes", strings.Join(con.Scopes, " ")},
		{"secret ends", date(con.SecretExpiresAt)}, {"second secret", yesNo(con.SealedNextSecret != nil)},
		{"creates people", yesNo(con.CreateUsers)}, {"role of new people", string(con.DefaultRole)}, {"role claim", con.RoleClaim},
		{"role rules", strings.Join(rules, " ")}, {"role without a rule", string(all.UnmappedRole)},
		{"directories", strings.Join(all.DirectoryIDs, " ")}, {"lets in guests", onlyFor(storage.PresetEntra, con, all.AllowGuests)},
		{"lets in personal accounts", map[bool]string{true: "yes"}[all.AllowPersonal]},
		{"asks Graph for groups", onlyFor(storage.PresetEntra, con, all.GroupsFromGraph)},
		{"organization", all.Organization}, {"domains", strings.Join(all.HostedDomains, " ")},
		{"second factor there", map[bool]string{true: "does not count", false: "counts"}[mfa.Ignore]},
		{"second factor by amr", strings.Join(mfa.AMR, " ")}, {"second factor by acr", strings.Join(mfa.ACR, " ")},
		{"resistant to phishing", strings.Join(mfa.PhishingResistant, " ")}, {"asked for as acr", strings.Join(mfa.AskFor, " ")},
	} {
		r.Columns, r.Rows[0] = append(r.Columns, line[0]), append(r.Rows[0], line[1])
	}
	return r
}

// presetOf is whose product a provider is.
func presetOf(con storage.Connection) string {
	if con.Kind == storage.OIDC && con.Preset == "" {
		return string(storage.PresetOIDC)
	}
	return string(con.Preset)
}

// onlyFor is a setting that means something with one preset.
func onlyFor(p storage.Preset, con storage.Connection, on bool) string {
	if con.Preset != p {
		return ""
	}
	return yesNo(on)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// connectionID is an id that this program made.
var connectionID = regexp.MustCompile(`^con_[0-9a-z]{26}$`)

type connectionCreate struct {
	target `json:"-"`
	mapping
	Tenant       string   `arg:"" help:"The tenant's slug or id."`
	Name         string   `required:"" help:"What the tenant calls its provider." placeholder:"NAME"`
	Preset       string   `help:"Whose product it is: okta, entra, auth0, google or oidc (any other); oidc when absent. 'watchgate connection presets' says what to click there." default:"oidc" placeholder:"PRESET"`
	ID           string   `name:"id" help:"The id that 'watchgate connection presets' printed, which is in what you pasted at the provider; one is made when absent." placeholder:"ID"`
	ClientID     string   `required:"" help:"Our client id at the provider." placeholder:"ID"`
	SecretFile   string   `json:"-" help:"A file with our client secret at the provider; or set WATCHGATE_CLIENT_SECRET." type:"existingfile" placeholder:"FILE"`
	SecretEnds   string   `help:"The day on which that secret ends, as 2027-03-14: the tenant's owners are told before." placeholder:"DAY"`
	Issuer       string   `help:"oidc: the provider's issuer, exactly as its discovery document says it." placeholder:"URL"`
	Domain       string   `help:"okta, auth0: the organization's domain there, as acme.okta.com." placeholder:"HOST"`
	Server       string   `help:"okta: the id of a custom authorization server, as default; the organization's own when absent." placeholder:"ID"`
	Directory    string   `help:"entra: the directory (tenant) ID." placeholder:"GUID"`
	Organization string   `help:"auth0: the organization (org_...) that everybody has to sign in with." placeholder:"ID"`
	HostedDomain []string `help:"google: the Workspace domains that may sign in." placeholder:"DOMAIN"`
	NoCheck      bool     `help:"Do not read the provider's discovery document first: for a provider that is not up yet."`
	Off          bool     `help:"Leave it off: try it with 'watchgate connection test', then enable it."`
	Secret       string   `kong:"-"`
}

// prepare reads the client secret where the operator is: the server that may run
// the command cannot.
func (c *connectionCreate) prepare(p *program) (err error) {
	c.Secret, err = clientSecret(p, c.SecretFile)
	return err
}

// clientSecret reads our secret at a provider from a file, or the environment.
func clientSecret(p *program, file string) (string, error) {
	if file == "" {
		return p.env("WATCHGATE_CLIENT_SECRET"), nil
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("cannot read the client secret: %w", err)
	}
	return strings.TrimSpace(string(body)), nil
}

func (c *connectionCreate) do(ctx context.Context, ops operators) (report, error) {
	con, err := c.connection()
	if err != nil {
		return report{}, err
	}
	create := ops.directory.CreateConnection
	switch {
	case c.Off:
		create = ops.directory.AddDisabledConnection
	case c.NoCheck:
		create = ops.directory.CreateUnseenConnection
	}
	t, err := ops.directory.Tenant(ctx, c.Tenant)
	if err != nil {
		return report{}, err
	}
	if con, err = create(ctx, c.Tenant, con, c.Secret); err != nil {
		return report{}, err
	}
	r := report{Columns: []string{"id", "issuer"}, Rows: [][]string{{string(con.ID), con.Issuer}}}
	to := pasted{Addresses: provider.Addresses{Issuer: ops.issuer(), Tenant: t.ID, Connection: con.ID}}
	r.Note = to.note(con.Preset) + nextSteps(c.Tenant, con)
	return r, nil
}

// note is what a provider has to be told of us.
func (to pasted) note(preset storage.Preset) (note string) {
	for _, a := range to.addresses(preset) {
		note += a.why + ":\n  " + a.uri + "\n"
	}
	return note
}

// nextSteps is how a connection that was made goes on to be used.
func nextSteps(tenant string, con storage.Connection) string {
	note := fmt.Sprintf("Then:\n  watchgate connection doctor %[1]s %[2]s\n  watchgate connection test %[1]s %[2]s\n", tenant, con.ID)
	if !con.DisabledAt.IsZero() {
		note += fmt.Sprintf("  watchgate connection enable %s %s\n", tenant, con.ID)
	}
	return note + fmt.Sprintf("  watchgate domain add %s %s YOUR-DOMAIN", tenant, con.ID)
}

// fields are the answers that the preset asks for.
func (c *connectionCreate) fields() map[string]string {
	all := map[string]string{
		provider.FieldIssuer: c.Issuer, provider.FieldDomain: c.Domain, provider.FieldServer: c.Server,
		provider.FieldDirectory: c.Directory, provider.FieldOrganization: c.Organization,
		provider.FieldDomains: strings.Join(c.HostedDomain, " "), provider.FieldClientID: c.ClientID,
		provider.FieldClientSecret: c.Secret, provider.FieldSecretEnds: c.SecretEnds,
	}
	for name, v := range all {
		if v == "" {
			delete(all, name)
		}
	}
	return all
}

// connection is what follows from the flags, or everything that is wrong with them.
func (c *connectionCreate) connection() (storage.Connection, error) {
	preset, err := presetNamed(c.Preset)
	if err != nil {
		return storage.Connection{}, err
	}
	if c.ID != "" && !connectionID.MatchString(c.ID) {
		return storage.Connection{}, fmt.Errorf("--id %q is none that 'watchgate connection presets' prints", c.ID)
	}
	con, wrong := preset.Build(c.fields())
	if len(wrong) > 0 {
		lines := make([]string, len(wrong))
		for i, w := range wrong {
			lines[i] = "--" + flagOf(w.Field) + ": " + w.Text
		}
		return con, fmt.Errorf("%s", strings.Join(lines, "\n"))
	}
	con.ID, con.Name = storage.ConnectionID(c.ID), c.Name
	return con, c.mapping.apply(&con)
}

// flagOf is the flag by which a preset's field is given here.
func flagOf(field string) string {
	named := map[string]string{
		provider.FieldServer: "server", provider.FieldDirectory: "directory", provider.FieldDomains: "hosted-domain",
		provider.FieldClientSecret: "secret-file (or WATCHGATE_CLIENT_SECRET)", provider.FieldSecretEnds: "secret-ends",
	}
	if flag, ok := named[field]; ok {
		return flag
	}
	return strings.ReplaceAll(field, "_", "-")
}

type connectionSwitch struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	ID     string `arg:"" help:"The connection's id."`
	on     bool
}

func (c *connectionSwitch) do(ctx context.Context, ops operators) (report, error) {
	err := ops.directory.SetConnectionEnabled(ctx, c.Tenant, storage.ConnectionID(c.ID), c.on)
	if c.on {
		return said("The connection %s is enabled.", c.ID), err
	}
	return said("The connection %s is disabled: what was signed in through it is dead.", c.ID), err
}
