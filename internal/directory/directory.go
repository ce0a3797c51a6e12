package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// Store is what the directory reads and changes.
type Store interface {
	storage.Tenants
	storage.Clients
	storage.ResourceServers
	storage.TenantOpener
	// ExpiringConnections is of [storage.Chores].
	ExpiringConnections(ctx context.Context, before, warnedBefore time.Time, limit int) ([]storage.TenantConnection, error)
}

// Sealer seals what must be readable again.
type Sealer interface {
	Seal(p seal.Place, plain []byte) ([]byte, error)
	Open(p seal.Place, sealed []byte) ([]byte, error)
	// Stale reports whether a value has to be sealed anew.
	Stale(sealed []byte) bool
}

// Discoverer looks at an identity provider before a tenant relies on it.
type Discoverer interface {
	// Discover reads the issuer's discovery document. The error is a sentence for
	// the operator that says what is wrong with it.
	Discover(ctx context.Context, issuer string) error
}

// Config is what a directory works with; every field is needed but Post.
type Config struct {
	Store Store
	// Issuer is the deployment's: that of people who have no identity provider.
	Issuer string
	// Post takes mails; nil: nobody is told anything.
	Post       mail.Post
	Sealer     Sealer
	Discoverer Discoverer
	// RedirectURI says what is wrong with a redirect URI that a client wants
	// registered, or nil. The rule is the authorization endpoint's.
	RedirectURI func(uri string) error
	// InsecureIssuers lets connections name http issuers on loopback, and clients be told
	// of sign-outs there: for a demonstration on one machine.
	InsecureIssuers bool
	Now             func() time.Time
}

// Directory registers and changes. It is safe for concurrent use.
type Directory struct{ cfg Config }

// New returns a directory over cfg.
func New(cfg Config) *Directory { return &Directory{cfg: cfg} }

// Problem is everything that is wrong with a request, in words for the one who
// made it.
type Problem struct {
	Wrong []string
	// Fields are, of each of Wrong, the field that it is about, as the records spell it
	// ("role_rules[2].value"); "" and what is missing at the end is about none.
	Fields []string
	// cause is the store's sentinel, when it is one that says what is wrong.
	cause error
}

// Unwrap returns the store's sentinel, or nil: storage.ErrNotFound, ErrExists,
// ErrConflict, ErrLastOwner.
func (p *Problem) Unwrap() error { return p.cause }

// Error joins what is wrong.
func (p *Problem) Error() string { return strings.Join(p.Wrong, "; ") }

// add notes something wrong.
func (p *Problem) add(format string, args ...any) { p.in("", format, args...) }

// in notes something wrong with a field.
func (p *Problem) in(field, format string, args ...any) {
	p.Wrong, p.Fields = append(p.Wrong, fmt.Sprintf(format, args...)), append(p.Fields, field)
}

// or returns the problem if there is anything wrong.
func (p *Problem) or() error {
	if len(p.Wrong) == 0 {
		return nil
	}
	return p
}

// problem returns a problem of one sentence.
func problem(format string, args ...any) error {
	p := &Problem{}
	p.add(format, args...)
	return p
}

// explain turns the store's sentinels into sentences; what names the thing.
func explain(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrNotFound):
		return because(storage.ErrNotFound, "there is no %s", what)
	case errors.Is(err, storage.ErrExists):
		return because(storage.ErrExists, "there is already a %s", what)
	case errors.Is(err, storage.ErrConflict):
		return because(storage.ErrConflict, "the %s was changed by somebody else at the same moment: look at it again and repeat", what)
	case errors.Is(err, storage.ErrLastOwner):
		return because(storage.ErrLastOwner, "a tenant has at least one owner who is not disabled: make somebody else an owner first")
	}
	return fmt.Errorf("directory: %s: %w", what, err)
}

// because is a problem of one sentence with the store's sentinel.
func because(cause error, format string, args ...any) error {
	p := &Problem{cause: cause}
	p.add(format, args...)
	return p
}

// nameTenant turns the slug or id that somebody gave into the tenant's id; "" is
// no tenant. An error that is no problem is the store's.
func (d *Directory) nameTenant(ctx context.Context, p *Problem, id *storage.TenantID) error {
	if *id == "" {
		return nil
	}
	t, err := d.tenant(ctx, string(*id))
	var unknown *Problem
	if errors.As(err, &unknown) {
		p.add("%s", unknown)
		return nil
	}
	*id = t.ID
	return err
}

// tenant finds a tenant by slug or id.
func (d *Directory) tenant(ctx context.Context, name string) (storage.Tenant, error) {
	find := d.cfg.Store.TenantBySlug
	if strings.HasPrefix(name, "ten_") {
		find = func(ctx context.Context, id string) (storage.Tenant, error) {
			return d.cfg.Store.TenantByID(ctx, storage.TenantID(id))
		}
	}
	t, err := find(ctx, name)
	return t, explain(err, fmt.Sprintf("tenant %q", name))
}
