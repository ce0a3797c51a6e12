package keyapi

import (
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/storage"
)

// State is what a key is good for, as far as the key itself decides: one whose owner
// is disabled is refused everywhere and still says "live" here.
type State string

// The states.
const (
	Live        State = "live"
	Expired     State = "expired"
	Revoked     State = "revoked"
	Quarantined State = "quarantined"
)

// Key is an API key as its people may see it: everything but the secret.
type Key struct {
	ID      string `json:"id" example:"key_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id. It never works as a credential."`
	Name    string `json:"name" example:"ci" doc:"What its people call it."`
	Hint    string `json:"hint" example:"up_live_a1b2****" doc:"The beginning of the secret, to tell keys from each other."`
	Profile string `json:"profile" example:"live" doc:"The key profile whose rules hold for it."`
	State   State  `json:"state" enum:"live,expired,revoked,quarantined" doc:"Whether it works. A quarantined key was seen in public and is out of use until somebody decides."`

	Scopes      []string            `json:"scopes" nullable:"false" example:"[\"monitor:read\"]" doc:"What it was given. What it may do now is this, and what that implies, as far as its owner's role allows it."`
	Permissions map[string][]string `json:"permissions" doc:"The scopes as actions on resources."`
	AllowedIPs  []string            `json:"allowed_ips" nullable:"false" example:"[\"192.0.2.0/24\"]" doc:"The networks from which it works (CIDR); empty: any."`

	Owner   string `json:"owner,omitempty" example:"usr_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"Whose key it is. Absent: it belongs to the tenant and to nobody in it."`
	Service bool   `json:"service" doc:"Whether it belongs to the tenant and to nobody in it."`
	Client  string `json:"client,omitempty" doc:"The app through which it was made."`
	Parent  string `json:"parent,omitempty" doc:"The key with which it was made."`

	CreatedAt     time.Time  `json:"created_at" doc:"When it was made."`
	ExpiresAt     *time.Time `json:"expires_at" nullable:"true" doc:"When it ends; null: never."`
	LastUsedAt    *time.Time `json:"last_used_at" nullable:"true" doc:"When it was last used, late by up to a minute; null: never."`
	RotateAt      *time.Time `json:"rotate_at" nullable:"true" doc:"When a successor is made without anybody asking; null: never."`
	RevokedAt     *time.Time `json:"revoked_at,omitempty" doc:"When it was revoked."`
	RevokedReason string     `json:"revoked_reason,omitempty" example:"rotated" doc:"Why it was revoked: revoked, rotated, leaked."`
	QuarantinedAt *time.Time `json:"quarantined_at,omitempty" doc:"Since when it is out of use."`

	Predecessor string `json:"predecessor,omitempty" doc:"The key that it replaces."`
	Successor   string `json:"successor,omitempty" doc:"The key that replaces it."`
	WebhookURL  string `json:"webhook_url,omitempty" doc:"Where a successor is delivered."`
	Version     int64  `json:"version" doc:"Counts changes; the ETag carries it."`
}

// Issued is a key with what is told once.
type Issued struct {
	Key
	Secret        string     `json:"secret" doc:"The key itself. It is told now and never again, unless its profile allows revealing it."`
	WebhookSecret string     `json:"webhook_secret,omitempty" doc:"Signs what is sent to webhook_url (Standard Webhooks). It is told now and never again."`
	OldEndsAt     *time.Time `json:"old_ends_at,omitempty" doc:"Of a successor: when the key that it replaces stops working."`
}

// Resource is a key's address and type in JSON-LD.
func (k Key) Resource() (address, kind string) { return path + "/" + k.ID, "ApiKey" }

// key describes a key at a moment.
func (a *API) key(k storage.APIKey, now time.Time) Key {
	scopes := listed(k.Scopes)
	permissions := a.cfg.Catalogue.Permissions(scopes)
	if permissions == nil {
		permissions = map[string][]string{}
	}
	return Key{
		ID: string(k.ID), Name: k.Name, Hint: k.Hint, Profile: k.Profile, State: stateOf(k, now),
		Scopes: scopes, Permissions: permissions, AllowedIPs: listed(k.AllowedIPs),
		Owner: string(k.Owner), Service: k.Owner == "", Client: string(k.Client), Parent: string(k.Parent),
		CreatedAt: k.CreatedAt.UTC(), ExpiresAt: moment(k.ExpiresAt), LastUsedAt: moment(k.LastUsedAt), RotateAt: moment(k.RotateAt),
		RevokedAt: moment(k.RevokedAt), RevokedReason: k.RevokedReason, QuarantinedAt: moment(k.QuarantinedAt),
		Predecessor: string(k.Predecessor), Successor: string(k.Successor), WebhookURL: k.WebhookURL, Version: k.Version,
	}
}

// issued describes a new key; it is the only place where a secret is written.
func (a *API) issued(i apikey.Issued) Issued {
	return Issued{Key: a.key(i.Key, a.cfg.Now()), Secret: i.Secret, WebhookSecret: i.WebhookSecret, OldEndsAt: moment(i.OldEnds)}
}

func stateOf(k storage.APIKey, now time.Time) State {
	switch {
	case !k.RevokedAt.IsZero():
		return Revoked
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return Expired
	case !k.QuarantinedAt.IsZero():
		return Quarantined
	}
	return Live
}

// moment is a time on the wire; nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// listed is never null on the wire.
func listed(items []string) []string {
	if items == nil {
		return []string{}
	}
	return items
}
