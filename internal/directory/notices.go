package directory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// TellOwners queues a mail to every owner of a tenant who has an address. The name of the tenant
// is added to the fields.
func (d *Directory) TellOwners(ctx context.Context, t storage.TenantID, kind mail.Kind, fields map[string]string) error {
	owners, err := d.cfg.Store.Tenant(t).Owners(ctx)
	if err != nil {
		return explain(err, "list of owners")
	}
	var failed error
	for _, u := range owners {
		failed = errors.Join(failed, d.tell(ctx, t, u, kind, fields))
	}
	return failed
}

// TellOwner queues a mail to a person who has an address, and otherwise to the tenant's
// owners; user "" is the tenant itself.
func (d *Directory) TellOwner(ctx context.Context, t storage.TenantID, user storage.UserID, kind mail.Kind, fields map[string]string) error {
	if user == "" {
		return d.TellOwners(ctx, t, kind, fields)
	}
	u, err := d.cfg.Store.Tenant(t).User(ctx, user)
	switch {
	case err != nil && !errors.Is(err, storage.ErrNotFound):
		return explain(err, fmt.Sprintf("person %q", user))
	case err != nil || u.Email == "" || !u.DisabledAt.IsZero():
		return d.TellOwners(ctx, t, kind, fields)
	}
	return d.tell(ctx, t, u, kind, fields)
}

// tell queues a mail to one person, if they have an address.
func (d *Directory) tell(ctx context.Context, t storage.TenantID, u storage.User, kind mail.Kind, fields map[string]string) error {
	if d.cfg.Post == nil || u.Email == "" {
		return nil
	}
	tenant, err := d.cfg.Store.TenantByID(ctx, t)
	if err != nil {
		return explain(err, fmt.Sprintf("tenant %q", t))
	}
	all := map[string]string{"tenant": tenant.Name}
	maps.Copy(all, fields)
	if err := mail.Tell(ctx, d.cfg.Post, t, mail.Message{Kind: kind, To: u.Email, Fields: all}); err != nil {
		return fmt.Errorf("directory: a mail to a person: %w", err)
	}
	return nil
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
