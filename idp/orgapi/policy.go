package orgapi

import (
	"cmp"
	"context"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

const policyPath = "/v1/policy"

// Policy is what holds for a tenant's people. Lengths of time are in seconds.
type Policy struct {
	SessionLifetime       int        `json:"session_lifetime" example:"86400" doc:"How long a sign-in lasts, in seconds."`
	SessionIdle           int        `json:"session_idle" example:"3600" doc:"How long it lasts without being used, in seconds."`
	Clients               []string   `json:"clients" nullable:"true" doc:"The only apps of the platform that its people may use; null: all. Its own it always may."`
	QuarantineLeakedKeys  bool       `json:"quarantine_leaked_keys" doc:"Whether an API key that was seen in public is put out of use until somebody decides, where others are revoked."`
	RequireLevel          string     `json:"require_level" enum:"none,mfa,phr" doc:"What everybody has to prove to be signed in: nothing more than the identity provider asks for, a second factor, or one that is resistant to phishing."`
	CredentialsWithoutMFA bool       `json:"credentials_without_mfa" doc:"Whether whoever issues credentials (API keys, connections) need not have proved a second factor."`
	CredentialMFAAge      int        `json:"credential_mfa_age" example:"3600" doc:"How old that proof may be, in seconds."`
	SignOutEverything     bool       `json:"sign_out_everything" doc:"Whether apps lose offline access, too, when a person signs out."`
	Contact               string     `json:"contact" example:"it@acme.example" doc:"Whom people are told to ask."`
	BreakGlassUntil       *time.Time `json:"break_glass_until" nullable:"true" doc:"Until when owners may sign in by a passkey alone, past an enforced identity provider; null: they may not."`
	Version               int64      `json:"version" doc:"Counts changes of the tenant; the ETag carries it."`
}

// Resource is the policy's address and type in JSON-LD.
func (Policy) Resource() (address, kind string) { return policyPath, "Policy" }

type policyOutput struct {
	ETag string `header:"ETag" doc:"The version, for If-Match."`
	Body Policy
}

func (a *API) policy(t storage.Tenant) *policyOutput {
	p := t.Policy
	out := Policy{
		SessionLifetime:      seconds(cmp.Or(p.SessionLifetime, directory.MaxSessionLifetime)),
		SessionIdle:          seconds(cmp.Or(p.SessionIdle, directory.MaxSessionIdle)),
		QuarantineLeakedKeys: p.QuarantineLeakedKeys, RequireLevel: levelName(p.RequireLevel),
		CredentialsWithoutMFA: p.CredentialsWithoutMFA, CredentialMFAAge: seconds(cmp.Or(p.CredentialMFAAge, storage.DefaultCredentialMFAAge)),
		SignOutEverything: p.SignOutEverything, Contact: p.Contact, Version: t.Version,
	}
	if p.OnlyListedClients {
		out.Clients = []string{}
		for _, id := range p.Clients {
			out.Clients = append(out.Clients, string(id))
		}
	}
	if a.cfg.Now().Before(p.BreakGlassUntil) {
		out.BreakGlassUntil = moment(p.BreakGlassUntil)
	}
	return &policyOutput{manage.ETag(t.Version), out}
}

func seconds(d time.Duration) int { return int(d / time.Second) }

func (a *API) getPolicy(ctx context.Context, _ *struct{}) (*policyOutput, error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	t, err := a.cfg.Directory.Tenant(ctx, c.tenant())
	if err != nil {
		return nil, refusal(err)
	}
	return a.policy(t), nil
}

// PatchPolicy is a JSON Merge Patch (RFC 7396) of the policy. Lengths of time are in
// seconds.
type PatchPolicy struct {
	SessionLifetime       manage.Optional[int]      `json:"session_lifetime,omitempty" nullable:"false" minimum:"1" maximum:"86400" example:"43200" doc:"How long a sign-in lasts, in seconds."`
	SessionIdle           manage.Optional[int]      `json:"session_idle,omitempty" nullable:"false" minimum:"1" maximum:"3600" doc:"How long it lasts without being used, in seconds."`
	Clients               manage.Optional[[]string] `json:"clients,omitempty" minItems:"1" maxItems:"100" doc:"The only apps of the platform that its people may use; null: all."`
	QuarantineLeakedKeys  manage.Optional[bool]     `json:"quarantine_leaked_keys,omitempty" nullable:"false" doc:"What is done with an API key that was seen in public."`
	RequireLevel          manage.Optional[string]   `json:"require_level,omitempty" nullable:"false" enum:"none,mfa,phr" doc:"What everybody has to prove to be signed in."`
	CredentialsWithoutMFA manage.Optional[bool]     `json:"credentials_without_mfa,omitempty" nullable:"false" doc:"Whether whoever issues credentials need not have proved a second factor."`
	CredentialMFAAge      manage.Optional[int]      `json:"credential_mfa_age,omitempty" minimum:"60" maximum:"86400" doc:"How old that proof may be, in seconds; null: as the deployment has it."`
	SignOutEverything     manage.Optional[bool]     `json:"sign_out_everything,omitempty" nullable:"false" doc:"Whether apps lose offline access, too, when a person signs out."`
	Contact               manage.Optional[string]   `json:"contact,omitempty" maxLength:"200" example:"it@acme.example" doc:"Whom people are told to ask, in 200 bytes; null: nobody."`
}

// fixedPolicy are the members of the policy that are changed in another way.
var fixedPolicy = []string{"break_glass_until", "version"}

type patchPolicy struct {
	manage.IfMatch
	Body PatchPolicy `contentType:"application/merge-patch+json"`
}

func (a *API) patchPolicy(ctx context.Context, in *patchPolicy) (*policyOutput, error) {
	c, err := ownerOnly(ctx)
	if err != nil {
		return nil, err
	}
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	change, some, err := in.Body.change()
	if err != nil {
		return nil, err
	}
	if !some {
		return a.getPolicy(ctx, nil)
	}
	t, err := a.cfg.Directory.SetTenantPolicyAt(c, c.tenant(), version, change)
	if err != nil {
		return nil, unmatched(in.IfMatch, err)
	}
	return a.policy(t), nil
}

// change is the patch in the directory's words, and whether there is anything in it.
func (b PatchPolicy) change() (out directory.PolicyChange, some bool, err error) {
	var p patching
	out.SessionLifetime = length(notNull(&p, "session_lifetime", b.SessionLifetime))
	out.SessionIdle = length(notNull(&p, "session_idle", b.SessionIdle))
	out.QuarantineLeakedKeys = notNull(&p, "quarantine_leaked_keys", b.QuarantineLeakedKeys)
	out.CredentialsWithoutMFA = notNull(&p, "credentials_without_mfa", b.CredentialsWithoutMFA)
	out.SignOutEverything = notNull(&p, "sign_out_everything", b.SignOutEverything)
	out.CredentialMFAAge, out.Contact = length(b.CredentialMFAAge.Pointer()), b.Contact.Pointer()
	if level := notNull(&p, "require_level", b.RequireLevel); level != nil {
		out.RequireLevel = new(levelOf(*level))
	}
	out.AllClients = b.Clients.Null
	for _, id := range b.Clients.Value {
		out.OnlyClients = append(out.OnlyClients, storage.ClientID(id))
	}
	some = b.SessionLifetime.Set || b.SessionIdle.Set || b.Clients.Set || b.QuarantineLeakedKeys.Set || b.RequireLevel.Set ||
		b.CredentialsWithoutMFA.Set || b.CredentialMFAAge.Set || b.SignOutEverything.Set || b.Contact.Set
	return out, some, p.refuse()
}

// notNull is what a field is to be, nil when it is absent.
func notNull[T any](p *patching, name string, o manage.Optional[T]) *T {
	if !o.Set {
		return nil
	}
	v := new(T)
	must(p, name, o, v)
	return v
}

func length(of *int) *time.Duration {
	if of == nil {
		return nil
	}
	return new(time.Duration(*of) * time.Second)
}

func levelOf(name string) storage.Level {
	if name == none {
		return storage.LevelNone
	}
	return storage.Level(name)
}

// BreakGlass is the body of a request to let owners in past an enforced provider.
type BreakGlass struct {
	For    int    `json:"for" minimum:"60" maximum:"86400" example:"14400" doc:"For how long, in seconds: at most a day."`
	Reason string `json:"reason" minLength:"1" maxLength:"200" example:"The identity provider is down" doc:"Why. It is in the audit trail, and every owner is told."`
}

type openBreakGlass struct{ Body BreakGlass }

func (a *API) openBreakGlass(ctx context.Context, in *openBreakGlass) (*policyOutput, error) {
	c, err := ownerOnly(ctx)
	if err != nil {
		return nil, err
	}
	t, err := a.cfg.Directory.OpenBreakGlass(c, c.tenant(), time.Duration(in.Body.For)*time.Second, in.Body.Reason)
	if err != nil {
		return nil, refusal(err)
	}
	return a.policy(t), nil
}

func (a *API) closeBreakGlass(ctx context.Context, _ *struct{}) (*policyOutput, error) {
	c, err := ownerOnly(ctx)
	if err != nil {
		return nil, err
	}
	t, err := a.cfg.Directory.Tenant(ctx, c.tenant())
	if err == nil && a.cfg.Now().Before(t.Policy.BreakGlassUntil) {
		t, err = a.cfg.Directory.CloseBreakGlass(c, c.tenant())
	}
	if err != nil {
		return nil, refusal(err)
	}
	return a.policy(t), nil
}
