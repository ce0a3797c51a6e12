package sqlstore

import (
	"context"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

var (
	updateUser = update("users", under(userStored), 2)
	// ownerStays is asked under the lock of the tenant's row, which all take who take
	// away an owner: of two at once the second counts after the first. What was
	// changed meanwhile is refused by its version, and not here.
	ownerStays = one(`UPDATE tenants SET version = version WHERE id = $1 AND (
		NOT EXISTS (SELECT 1 FROM users u WHERE u.tenant_id = $1 AND u.id = $2 AND u.role = 'owner' AND u.disabled_at IS NULL AND u.version = $3)
		OR EXISTS (SELECT 1 FROM users o WHERE o.tenant_id = $1 AND o.id <> $2 AND o.role = 'owner' AND o.disabled_at IS NULL))`)
	// addressIsFree is asked under the same lock, which all take who invite.
	addressIsFree = one(`UPDATE tenants SET version = version WHERE id = $1 AND NOT EXISTS (
		SELECT 1 FROM users u WHERE u.email_lower = $2 AND u.email_lower <> '' AND u.tenant_id = $1)`)
)

const userByID = "SELECT " + userColumns + " FROM users WHERE tenant_id = $1 AND id = $2"

var (
	userByIdentity = "SELECT " + from("u", userColumns) + ` FROM identities i
		JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
		WHERE i.tenant_id = $1 AND i.connection_id = $2 AND i.issuer = $3 AND i.subject = $4`
	listUsers    = "SELECT " + userColumns + " FROM users WHERE tenant_id = $1 ORDER BY id"
	pageUsers    = "SELECT " + userColumns + " FROM users WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
	usersByEmail = "SELECT " + userColumns + ` FROM users WHERE email_lower = $2 AND email_lower <> '' AND tenant_id = $1
		ORDER BY email_lower, id LIMIT 10`
	listOwners = "SELECT " + userColumns + ` FROM users WHERE role = 'owner' AND disabled_at IS NULL AND tenant_id = $1
		ORDER BY role, id LIMIT 100`
	identitiesOfUser = `SELECT connection_id, issuer, subject FROM identities WHERE user_id = $2 AND tenant_id = $1
		ORDER BY connection_id, issuer, subject`
)

// CreateUser implements storage.Users. ErrNotFound: no such tenant, too.
func (t *Tenant) CreateUser(ctx context.Context, user storage.User, ids []storage.Identity, ev storage.Event) error {
	u := newUnit(t.id, "user "+string(user.ID))
	return t.createUser(ctx, u, user, ids, ev)
}

// InviteUser implements storage.Users.
func (t *Tenant) InviteUser(ctx context.Context, user storage.User, ids []storage.Identity, ev storage.Event) error {
	u := newUnit(t.id, "user "+string(user.ID))
	u.must(storage.ErrNotFound, holdTenant, t.id)
	u.must(storage.ErrExists, addressIsFree, t.id, strings.ToLower(user.Email))
	return t.createUser(ctx, u, user, ids, ev)
}

func (t *Tenant) createUser(ctx context.Context, u *unit, user storage.User, ids []storage.Identity, ev storage.Event) error {
	u.do(insertUser, owned(t.id, userArgs(user))...)
	for _, i := range ids {
		u.do(insertIdentity, t.id, string(i.Connection), i.Issuer, i.Subject, string(user.ID))
	}
	u.event(ev)
	return write(ctx, t.engine, u)
}

// UpdateUser implements storage.Users.
func (t *Tenant) UpdateUser(ctx context.Context, user storage.User, ev storage.Event) error {
	u := newUnit(t.id, "user "+string(user.ID))
	if user.Role != storage.RoleOwner || !user.DisabledAt.IsZero() {
		u.keepAnOwner(user)
	}
	u.must(storage.ErrConflict, updateUser, owned(t.id, userArgs(user))...)
	u.change(storage.ChangeUser, t.id, string(user.ID))
	u.otherwise = &query{sql: userByID, args: []any{t.id, string(user.ID)}}
	u.event(ev)
	return write(ctx, t.engine, u)
}

// keepAnOwner refuses when the user is the last owner who is not disabled: what
// follows makes them none.
func (u *unit) keepAnOwner(user storage.User) {
	u.must(storage.ErrConflict, holdTenant, u.tenant)
	u.must(storage.ErrLastOwner, ownerStays, u.tenant, string(user.ID), user.Version)
}

// User implements storage.UserReader.
func (t *Tenant) User(ctx context.Context, id storage.UserID) (storage.User, error) {
	var u storage.User
	err := find(ctx, t.engine, t.scope("user"), userByID, userFields(&u), t.id, string(id))
	return u, err
}

// UserByIdentity implements storage.UserReader.
func (t *Tenant) UserByIdentity(ctx context.Context, i storage.Identity) (storage.User, error) {
	var u storage.User
	err := find(ctx, t.engine, t.scope("user by identity"), userByIdentity, userFields(&u),
		t.id, string(i.Connection), i.Issuer, i.Subject)
	return u, err
}

// ListUsers implements storage.UserReader.
func (t *Tenant) ListUsers(ctx context.Context) ([]storage.User, error) {
	return list(ctx, t.engine, t.scope("users"), listUsers, userFields, t.id)
}

// PageUsers implements storage.UserReader. A page has at most 1000.
func (t *Tenant) PageUsers(ctx context.Context, before storage.UserID, limit int) ([]storage.User, error) {
	return list(ctx, t.engine, t.scope("users"), pageUsers, userFields, t.id, olderThan(string(before)), page(limit))
}

// UsersByEmail implements storage.UserReader.
func (t *Tenant) UsersByEmail(ctx context.Context, email string) ([]storage.User, error) {
	return list(ctx, t.engine, t.scope("users by e-mail"), usersByEmail, userFields, t.id, strings.ToLower(email))
}

// Identities implements storage.UserReader.
func (t *Tenant) Identities(ctx context.Context, user storage.UserID) ([]storage.Identity, error) {
	fields := func(i *storage.Identity) []any {
		return []any{(*str)(&i.Connection), (*str)(&i.Issuer), (*str)(&i.Subject)}
	}
	return list(ctx, t.engine, t.scope("identities"), identitiesOfUser, fields, t.id, string(user))
}

// Owners implements storage.UserReader, in the order of their ids.
func (t *Tenant) Owners(ctx context.Context) ([]storage.User, error) {
	return list(ctx, t.engine, t.scope("owners"), listOwners, userFields, t.id)
}
