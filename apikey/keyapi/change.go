package keyapi

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// Patch is a JSON Merge Patch (RFC 7396) of a key: what is left out stays.
type Patch struct {
	Name        manage.Optional[string]              `json:"name,omitempty" nullable:"false" minLength:"1" maxLength:"100" example:"ci, nightly" doc:"What its people call it."`
	Scopes      manage.Optional[[]string]            `json:"scopes,omitempty" nullable:"false" maxItems:"100" doc:"All that it may do from now on, at most what you may do yourself. Not together with permissions."`
	Permissions manage.Optional[map[string][]string] `json:"permissions,omitempty" doc:"The same as actions on resources: a resource that is left out stays as it is, and null takes it away. Not together with scopes."`
	AllowedIPs  manage.Optional[[]string]            `json:"allowed_ips,omitempty" maxItems:"100" doc:"The addresses and networks (CIDR) from which it works; null or empty: any."`
	ExpiresAt   manage.Optional[time.Time]           `json:"expires_at,omitempty" doc:"When it ends (RFC 3339); null: never."`
	WebhookURL  manage.Optional[string]              `json:"webhook_url,omitempty" maxLength:"2048" doc:"Where successors are delivered, signed with the secret that was told when the key was made; null: they are fetched with the key."`
	State       manage.Optional[State]               `json:"state,omitempty" nullable:"false" enum:"live" doc:"live puts a key that is in quarantine back to use. To end a key, delete it."`
}

// readOnly are the members of a key that nobody can change.
var readOnly = []string{
	"id", "hint", "profile", "owner", "service", "client", "parent", "created_at", "last_used_at", "rotate_at", "revoked_at", "revoked_reason",
	"quarantined_at", "predecessor", "successor", "version", "secret",
}

type patchInput struct {
	KeyPath
	manage.IfMatch
	Body Patch `contentType:"application/merge-patch+json"`
}

// keyOutput answers with a key.
type keyOutput struct {
	ETag string `header:"ETag" doc:"The version of the key, for If-Match."`
	Body Key
}

func (a *API) found(k storage.APIKey, err error) (*keyOutput, error) {
	if err != nil {
		return nil, refusal(err)
	}
	return &keyOutput{ETag: manage.ETag(k.Version), Body: a.key(k, a.cfg.Now())}, nil
}

func (a *API) get(ctx context.Context, in *KeyPath) (*keyOutput, error) {
	return a.found(a.cfg.Keys.Get(ctx, actor(ctx), in.key()))
}

func (a *API) patch(ctx context.Context, in *patchInput) (*keyOutput, error) {
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	who := actor(ctx)
	var before storage.APIKey
	if in.Body.Permissions.Set { // they are merged into what is there
		if before, err = a.cfg.Keys.Get(ctx, who, in.key()); err != nil {
			return nil, refusal(err)
		}
		version = cmp.Or(version, before.Version)
	}
	change, err := a.changed(in.Body, before)
	if err != nil {
		return nil, err
	}
	after, err := a.cfg.Keys.Change(ctx, who, in.key(), version, change)
	if conflict(err) {
		return nil, in.Failed()
	}
	return a.found(after, in.Body.said(err))
}

// said is an error of the service in the words of the patch.
func (p Patch) said(err error) error {
	if p.Permissions.Set {
		return inWords(err, "scopes", "permissions")
	}
	return err
}

func conflict(err error) bool {
	var r *apikey.Refusal
	return errors.As(err, &r) && r.Code == apikey.Conflict
}

// changed is the patch in the service's words.
func (a *API) changed(p Patch, before storage.APIKey) (apikey.Change, error) {
	var wrong fields
	out := apikey.Change{
		Name: p.Name.Pointer(), Scopes: p.Scopes.Pointer(), AllowedIPs: p.AllowedIPs.Pointer(), ExpiresAt: p.ExpiresAt.Pointer(),
		WebhookURL: p.WebhookURL.Pointer(), Release: p.State.Set,
	}
	wrong.null("name", p.Name.Null)
	wrong.null("scopes", p.Scopes.Null)
	wrong.null("state", p.State.Null)
	switch {
	case p.Scopes.Set && p.Permissions.Set:
		wrong.add("permissions", "Say scopes or permissions, not both.")
	case p.Permissions.Set:
		scopes := a.merged(&wrong, p.Permissions, before.Scopes)
		out.Scopes = &scopes
	}
	if p.ExpiresAt.Set && !p.ExpiresAt.Null && !p.ExpiresAt.Value.After(a.cfg.Now()) {
		wrong.add("expires_at", "This is not in the future: to end a key, delete it.")
	}
	return out, wrong.refuse()
}

// merged are the scopes of a key whose permissions are patched. Scopes that are no
// action on a resource are no permissions, and stay.
func (a *API) merged(wrong *fields, patch manage.Optional[map[string][]string], scopes []string) []string {
	var out []string
	permissions := map[string][]string{}
	for _, s := range scopes {
		if len(a.cfg.Catalogue.Permissions([]string{s})) == 0 {
			out = append(out, s)
		}
	}
	if !patch.Null {
		permissions = a.cfg.Catalogue.Permissions(scopes)
		maps.Copy(permissions, patch.Value)
	}
	return append(out, wrong.permitted(a.cfg.Catalogue, permissions)...)
}

func (a *API) revoke(ctx context.Context, in *KeyPath) (*struct{}, error) {
	return nil, refusal(a.cfg.Keys.Revoke(ctx, actor(ctx), in.key()))
}
