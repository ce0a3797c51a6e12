package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// byAdmin is what events, and mails, say of who did something to somebody else.
const byAdmin = "admin"

// UserChange is what shall be different about a person; nil leaves it.
type UserChange struct {
	Role     *storage.Role
	Disabled *bool
}

// User returns one of a tenant's people. A problem that wraps storage.ErrNotFound:
// there is no such person.
func (d *Directory) User(ctx context.Context, tenant string, id storage.UserID) (storage.User, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return storage.User{}, err
	}
	u, err := d.cfg.Store.Tenant(t.ID).User(ctx, id)
	return u, explain(err, fmt.Sprintf("person %q", id))
}

// Users lists a tenant's people in the order of their ids.
func (d *Directory) Users(ctx context.Context, tenant string) ([]storage.User, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	all, err := d.cfg.Store.Tenant(t.ID).ListUsers(ctx)
	return all, explain(err, "list of people")
}

// ChangeUser gives a person another role, or disables or enables them. Somebody who is
// disabled is signed out everywhere, and what apps hold for them is revoked. version is the one that was decided
// on; 0: whichever there is. Problems wrap storage.ErrNotFound, ErrConflict and
// ErrLastOwner.
func (d *Directory) ChangeUser(ctx context.Context, tenant string, id storage.UserID, version int64, change UserChange) (storage.User, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return storage.User{}, err
	}
	store := d.cfg.Store.Tenant(t.ID)
	u, err := store.User(ctx, id)
	switch {
	case err != nil:
		return u, explain(err, fmt.Sprintf("person %q", id))
	case version != 0 && version != u.Version:
		return u, explain(storage.ErrConflict, fmt.Sprintf("person %q", id))
	}
	if change.Role != nil {
		p := &Problem{}
		checkRole(p, "role", "role", *change.Role)
		if err := p.or(); err != nil {
			return u, err
		}
	}
	if err := d.changeUser(ctx, store, &u, change); err != nil {
		return u, explain(err, fmt.Sprintf("person %q", id))
	}
	if u.DisabledAt.IsZero() || change.Disabled == nil {
		return u, nil
	}
	// Also for who was disabled before: the first time may have been cut short.
	return u, d.endAll(ctx, store, storage.EndSessions{User: id, Grants: true})
}

// changeUser stores what is different.
func (d *Directory) changeUser(ctx context.Context, store storage.TenantStore, u *storage.User, change UserChange) error {
	now, was := d.cfg.Now(), *u
	set(&u.Role, change.Role)
	ev := audit.UserUpdated(ctx, now, *u)
	switch {
	case change.Disabled == nil || *change.Disabled != u.DisabledAt.IsZero():
	case *change.Disabled:
		u.DisabledAt = now
		ev = audit.UserDisabled(ctx, now, *u)
	default:
		u.DisabledAt = time.Time{}
		ev = audit.UserEnabled(ctx, now, *u)
	}
	if u.Role == was.Role && u.DisabledAt.Equal(was.DisabledAt) {
		return nil
	}
	err := store.UpdateUser(ctx, *u, ev)
	u.Version++
	return err
}

// endAll ends sessions of one person.
func (d *Directory) endAll(ctx context.Context, store storage.TenantStore, e storage.EndSessions) error {
	now := d.cfg.Now()
	_, err := store.EndSessions(ctx, e, now, audit.SessionsEnded(ctx, now, e.User, byAdmin, e.Connection))
	return explain(err, "list of sessions")
}

// EndUserSessions signs a person out everywhere, and with grants takes away what apps
// hold for them, too. They are told. A problem that wraps storage.ErrNotFound: there is no such
// person.
func (d *Directory) EndUserSessions(ctx context.Context, tenant string, id storage.UserID, grants bool) error {
	u, err := d.User(ctx, tenant, id)
	if err != nil {
		return err
	}
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	if err := d.endAll(ctx, d.cfg.Store.Tenant(t.ID), storage.EndSessions{User: id, Grants: grants}); err != nil {
		return err
	}
	return d.tell(ctx, t.ID, u, mail.SessionsEnded, map[string]string{"by": byAdmin})
}

// EndSession ends one session. A problem that wraps storage.ErrNotFound: there is
// none, or it has ended.
func (d *Directory) EndSession(ctx context.Context, tenant string, id storage.SessionID) error {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	store := d.cfg.Store.Tenant(t.ID)
	s, err := store.Session(ctx, id)
	if err != nil {
		return explain(err, fmt.Sprintf("session %q", id))
	}
	now := d.cfg.Now()
	err = store.EndSession(ctx, id, now, audit.SignedOut(ctx, now, s.User, id, byAdmin))
	return explain(err, fmt.Sprintf("session %q", id))
}

// ResetFactors removes a person's factors and recovery codes, for who has lost them,
// signs them out, and tells them. At the next sign-in they prove themselves as somebody new
// does. A problem that wraps storage.ErrNotFound: there is no such person.
func (d *Directory) ResetFactors(ctx context.Context, tenant string, id storage.UserID) error {
	u, err := d.User(ctx, tenant, id)
	if err != nil {
		return err
	}
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return err
	}
	store := d.cfg.Store.Tenant(t.ID)
	// First what the lost factors have opened.
	if err := d.endAll(ctx, store, storage.EndSessions{User: id}); err != nil {
		return err
	}
	if err := d.removeFactors(ctx, store, id); err != nil {
		return explain(err, fmt.Sprintf("person %q", id))
	}
	return d.tell(ctx, t.ID, u, mail.FactorRemoved, map[string]string{"factor": "all", "by": byAdmin})
}

func (d *Directory) removeFactors(ctx context.Context, store storage.TenantStore, id storage.UserID) error {
	all, err := store.ListFactors(ctx, id)
	if err != nil {
		return err
	}
	now := d.cfg.Now()
	for _, f := range all {
		err := store.RemoveFactor(ctx, id, f.ID, audit.FactorRemoved(ctx, now, id, f, byAdmin))
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
	}
	if err := store.ReplaceRecoveryCodes(ctx, id, nil, now, audit.RecoveryCodesReplaced(ctx, now, id)); err != nil {
		return err
	}
	return store.ClearTries(ctx, id)
}
