package keyapi

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/manage"
)

// NewKey is the body of a request for a key. What is left out is as the key's profile
// has it.
type NewKey struct {
	Name        string                     `json:"name" minLength:"1" maxLength:"100" example:"ci" doc:"What its people call it."`
	Profile     string                     `json:"profile,omitempty" minLength:"1" maxLength:"64" example:"live" doc:"The key profile; absent: the deployment's default."`
	Scopes      []string                   `json:"scopes,omitempty" nullable:"false" minItems:"1" maxItems:"100" example:"[\"monitor:read\"]" doc:"What it may do, at most what you may do yourself; absent: the profile's default. Not together with permissions."`
	Permissions map[string][]string        `json:"permissions,omitempty" minProperties:"1" doc:"The same as actions on resources. Not together with scopes."`
	ExpiresIn   string                     `json:"expires_in,omitempty" minLength:"1" maxLength:"32" example:"720h" doc:"How long it lives: a number and h, d, mo (30 days) or y (365 days), as in 720h, 30d, 6mo, 1y, or never. Absent: the profile's default. Not together with expires_at."`
	ExpiresAt   manage.Optional[time.Time] `json:"expires_at,omitempty" doc:"When it ends (RFC 3339); null: never. Not together with expires_in."`
	AllowedIPs  []string                   `json:"allowed_ips,omitempty" nullable:"false" maxItems:"100" example:"[\"192.0.2.0/24\",\"2001:db8::/32\"]" doc:"The addresses and networks (CIDR) from which it works; absent or empty: any."`
	Service     bool                       `json:"service,omitempty" doc:"Whether the key shall belong to the tenant and to nobody in it: it outlives the person who makes it."`
	WebhookURL  string                     `json:"webhook_url,omitempty" maxLength:"2048" example:"https://hooks.example.com/keys" doc:"Where successors are delivered, signed; absent: they are fetched with the key."`
}

type createInput struct {
	Body NewKey
}

func (a *API) create(ctx context.Context, in *createInput) (*issuedOutput, error) {
	want, err := a.wanted(in.Body)
	if err != nil {
		return nil, err
	}
	made, err := a.cfg.Keys.Create(ctx, actor(ctx), want)
	return a.told(made, in.Body.said(err))
}

// said is an error of the service in the words of the request.
func (b NewKey) said(err error) error {
	if b.Permissions != nil {
		err = inWords(err, "scopes", "permissions")
	}
	if b.ExpiresAt.Set {
		err = inWords(err, "expires_in", "expires_at")
	}
	return err
}

// wanted is the body in the service's words.
func (a *API) wanted(b NewKey) (apikey.NewKey, error) {
	var wrong fields
	out := apikey.NewKey{
		Profile: b.Profile, Name: b.Name, AllowedIPs: b.AllowedIPs, Service: b.Service, WebhookURL: b.WebhookURL,
	}
	out.Lifetime, out.EndsAt = wrong.end(b.ExpiresIn, b.ExpiresAt)
	out.Scopes, _ = wrong.scopes(a.cfg.Catalogue, b.Scopes, b.Permissions)
	return out, wrong.refuse()
}
