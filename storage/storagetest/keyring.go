package storagetest

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// keyring is a tenant's API keys, with one of everything that hangs on them.
type keyring struct {
	key       storage.APIKey // the user's
	service   storage.APIKey // the tenant's own
	minted    storage.MintUnderKey
	execution storage.KeyExecution // of service
	// next is on its way to who holds old.
	old, next storage.APIKey
	delivery  storage.KeyDelivery
	use       storage.KeyUse // of key
	request   storage.IdempotentRequest
}

const (
	keyLife = 90 * 24 * time.Hour
	grace   = 72 * time.Hour
	lease   = time.Minute
)

// newKey is a key of the tenant's user, with every field set that a new key may have.
func (w *world) newKey(h *home) storage.APIKey {
	id := storage.NewKeyID(w.now)
	return storage.APIKey{
		ID: id, Profile: "live", Name: "a name", Hash: sha256.Sum256([]byte(id)), Hint: "up_live_a1b2****", KID: "kid",
		Owner: h.user.ID, Client: w.client.ID, Scopes: []string{"monitor:read", "alert:write"}, AllowedIPs: []string{"192.0.2.0/24", "2001:db8::/32"},
		CreatedAt: w.now, ExpiresAt: w.now.Add(keyLife), RotateAt: w.now.Add(keyLife / 2),
		WebhookURL: "https://hook.test/x", SealedWebhookSecret: []byte{9, 0, 255}, Version: 1,
	}
}

// newServiceKey is a key of the tenant itself, with as little as there can be.
func (w *world) newServiceKey() storage.APIKey {
	id := storage.NewKeyID(w.now)
	return storage.APIKey{ID: id, Profile: "live", Hash: sha256.Sum256([]byte(id)), CreatedAt: w.now, Version: 1}
}

// create is the creation of a key of the tenant's user, or of a service key.
func (w *world) create(h *home, k storage.APIKey) storage.CreateKey {
	in := storage.CreateKey{Key: k}
	if k.Owner != "" {
		in.Role = h.user.Role
	}
	return in
}

// created stores a key.
func (w *world) created(h *home, k storage.APIKey) storage.APIKey {
	w.Helper()
	w.must(h.CreateKey(w.Context(), w.create(h, k), w.event("key.created")))
	return k
}

// rotateKey is a rotation with a grace, whose successor waits to be fetched.
func (w *world) rotateKey(h *home, old storage.APIKey) storage.RotateKey {
	next := w.newKey(h)
	next.Owner, next.Predecessor = old.Owner, old.ID
	end := w.now.Add(grace)
	return storage.RotateKey{Old: old.ID, OldVersion: old.Version, At: w.now, DiesAt: end, Successor: next,
		Delivery: &storage.KeyDelivery{Tenant: h.tenant.ID, Key: next.ID, Old: old.ID, Sealed: []byte{1, 0, 2}, NextAt: w.now,
			CreatedAt: w.now, ExpiresAt: end, WarnAt: end.Add(-time.Hour)}}
}

// mint is an exchange of a key for tokens.
func (w *world) mint(k storage.APIKey) storage.MintUnderKey {
	end := w.now.Add(refreshLife)
	g := storage.Grant{ID: storage.NewGrantID(w.now), User: k.Owner, Client: w.client.ID, Key: k.ID, Scopes: []string{"monitor:read"},
		CreatedAt: w.now, ExpiresAt: end}
	return storage.MintUnderKey{KeyVersion: k.Version, Grant: g,
		Access: storage.AccessToken{Ref: ref(token.Access, w.now.Add(accessLife)), ID: storage.NewTokenID(w.now), Grant: g.ID, Client: g.Client,
			User: g.User, Scopes: g.Scopes, IssuedAt: w.now, ExpiresAt: w.now.Add(accessLife)},
		Refresh: &storage.RefreshToken{Ref: ref(token.Refresh, end), Grant: g.ID, Client: g.Client, IssuedAt: w.now,
			IdleUntil: w.now.Add(idleLife), ExpiresAt: end},
	}
}

func (w *world) newExecution(k storage.KeyID) storage.KeyExecution {
	return storage.KeyExecution{ID: storage.NewExecutionID(w.now), Key: k, Name: "check of example.com", StartedAt: w.now}
}

func (w *world) newRequest() storage.IdempotentRequest {
	return storage.IdempotentRequest{Caller: sha256.Sum256([]byte(token.NewSecret())), Key: sha256.Sum256([]byte("key")),
		Fingerprint: sha256.Sum256([]byte("body")), StartedAt: w.now, LeaseUntil: w.now.Add(lease), ExpiresAt: w.now.Add(24 * time.Hour)}
}

// drawKeyring makes up keys that are stored nowhere.
func (w *world) drawKeyring(h *home) keyring {
	r := keyring{key: w.newKey(h), service: w.newServiceKey(), old: w.newKey(h), request: w.newRequest()}
	r.minted, r.execution = w.mint(r.service), w.newExecution(r.service.ID)
	r.minted.Grant.Origin = h.over.ID
	rotate := w.rotateKey(h, r.old)
	r.next, r.delivery = rotate.Successor, *rotate.Delivery
	r.use = storage.KeyUse{Key: r.key.ID, Day: w.now.Truncate(24 * time.Hour), IP: "192.0.2.1", Scope: "monitor:read", ResourceServer: w.rs.ID,
		Calls: 3, LastAt: w.now}
	return r
}

// newKeyring stores one.
func (w *world) newKeyring(h *home) {
	w.Helper()
	ctx := w.Context()
	h.keyring = w.drawKeyring(h)
	for _, k := range []storage.APIKey{h.key, h.service, h.old} {
		w.created(h, k)
	}
	w.must(h.MintUnderKey(ctx, h.minted, w.event("key.exchanged")))
	w.must(h.StartExecution(ctx, h.execution, 9))
	rotate := storage.RotateKey{Old: h.old.ID, OldVersion: 1, At: w.now, DiesAt: h.delivery.ExpiresAt, Successor: h.next, Delivery: &h.delivery}
	w.must(h.RotateKey(ctx, rotate, w.event("key.rotated")))
	h.old.Successor, h.old.RotateAt, h.old.ExpiresAt, h.old.Version = h.next.ID, time.Time{}, rotate.DiesAt, 2
	w.must(h.NoteKeyUses(ctx, []storage.KeyUse{h.use}))
	h.key.LastUsedAt = h.use.LastAt
	if stored := get(h.BeginRequest(ctx, h.request))(w); stored != nil {
		w.Fatalf("a new request is there already: %+v", stored)
	}
}

// keyringPicture is everything that can be seen of a keyring.
type keyringPicture struct {
	Keys       []storage.APIKey
	Grants     []storage.Grant
	Access     *storage.LiveToken
	Refresh    *storage.LiveRefresh
	Found      *storage.LiveKey
	Executions []storage.KeyExecution
	Delivery   storage.KeyDelivery
	Uses       []storage.KeyUse
	Request    *storage.IdempotentRequest
}

func (w *world) lookAtKeys(h *home) keyringPicture {
	w.Helper()
	ctx := w.Context()
	_, access, err := w.store.FindAccess(ctx, "", h.minted.Access.Ref)
	w.must(err)
	_, refresh, err := w.store.FindRefresh(ctx, "", h.minted.Refresh.Ref)
	w.must(err)
	return keyringPicture{
		Keys: get(h.ListKeys(ctx, storage.KeyFilter{Limit: 1000}))(w), Grants: get(h.ListGrants(ctx, "", w.now))(w),
		Access: access, Refresh: refresh, Found: get(w.store.FindKey(ctx, h.key.Hash))(w),
		Executions: get(h.Executions(ctx, h.service.ID, all))(w), Delivery: get(h.Delivery(ctx, h.old.ID))(w),
		Uses: get(h.KeyUsage(ctx, h.key.ID, time.Time{}))(w), Request: get(h.BeginRequest(ctx, h.request))(w),
	}
}

// keyChanges has one case for each method that changes a tenant's keys.
var keyChanges = map[string]change{
	"CreateKey": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.CreateKey(ctx, w.create(w.a, w.newKey(w.a)), ev)
	},
	"UpdateKey": func(ctx context.Context, w *world, ev storage.Event) error {
		k := w.a.key
		k.Name = "changed"
		return w.a.UpdateKey(ctx, k, ev)
	},
	"RotateKey": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.RotateKey(ctx, w.rotateKey(w.a, w.a.key), ev)
	},
	"RevokeKey": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.RevokeKey(ctx, w.a.service.ID, w.now, "revoked", ev)
	},
	"MintUnderKey": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.MintUnderKey(ctx, w.mint(w.a.service), ev)
	},
	"FinishDelivery": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.FinishDelivery(ctx, w.a.next.ID, w.now, ev)
	},
	"WarnDelivery": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.WarnDelivery(ctx, w.a.next.ID, w.now, ev)
	},
}
