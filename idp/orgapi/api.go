package orgapi

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// The scopes of the operations.
const (
	ScopeRead  = "organization:read"
	ScopeWrite = "organization:write"
)

// Keys derives keys; [github.com/watchgate/watchgate/internal/seal.Sealer] is one.
type Keys interface {
	// Keys returns those of a purpose, the newest first.
	Keys(purpose string) [][]byte
}

// Config is what the operations need; every field is.
type Config struct {
	Issuer    string // the deployment's
	Directory *directory.Directory
	Domains   *domains.Claims
	Store     storage.TenantOpener
	// Connect reaches a connection's provider, for the doctor.
	Connect idp.Connect
	Keys    Keys
	Now     func() time.Time
}

// API is the operations.
type API struct {
	cfg    Config
	drafts [][]byte
}

// New registers the operations.
func New(frame *manage.API, cfg Config) *API {
	a := &API{cfg: cfg, drafts: cfg.Keys.Keys("connection-draft")}
	a.mount(frame)
	return a
}

// caller is who asks, with a context in which events are theirs.
type caller struct {
	context.Context
	manage.Principal
}

// tenant is the caller's, as the directory takes it.
func (c caller) tenant() string { return string(c.Tenant) }

// owner reports whether an owner asks.
func (c caller) owner() bool { return c.Role == storage.RoleOwner }

// reader is somebody who may look: an owner, an admin, or what has the scope without
// being anybody.
func reader(ctx context.Context) (caller, error) {
	c := caller{ctx, manage.PrincipalFrom(ctx)}
	if c.User != "" && c.Role != storage.RoleOwner && c.Role != storage.RoleAdmin {
		return c, manage.Refuse(manage.Forbidden, "This is for owners and admins.")
	}
	return c, nil
}

// writer is an owner or an admin who has signed in.
func writer(ctx context.Context) (caller, error) {
	c, err := reader(ctx)
	switch {
	case err != nil:
		return c, err
	case c.Key != "" || c.User == "":
		return c, manage.Refuse(manage.Forbidden, "Only people change the organization, and no key. Sign in.")
	}
	c.Context = audit.WithActor(ctx, audit.ActorUser, string(c.User))
	return c, nil
}

// writerAt is a writer, and the version that they mean; 0: whichever there is.
func writerAt(ctx context.Context, m manage.IfMatch) (caller, int64, error) {
	c, err := writer(ctx)
	if err != nil {
		return c, 0, err
	}
	version, err := m.Version()
	return c, version, err
}

// ownerOnly is a writer who is an owner.
func ownerOnly(ctx context.Context) (caller, error) {
	c, err := writer(ctx)
	if err == nil && !c.owner() {
		err = forOwners()
	}
	return c, err
}

func forOwners() error {
	return manage.Refuse(manage.Forbidden, "Only owners do that: it is about an owner, can make one, or holds for owners, too.")
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
func listed[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
