package sqlstore

import (
	"context"

	"github.com/watchgate/watchgate/storage"
)

var updateUser = update("users", under(userColumns), 2)

const userByID = "SELECT " + userColumns + " FROM users WHERE tenant_id = $1 AND id = $2"

var (
	userByIdentity = "SELECT " + from("u", userColumns) + ` FROM identities i
		JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
		WHERE i.tenant_id = $1 AND i.connection_id = $2 AND i.issuer = $3 AND i.subject = $4`
	listUsers = "SELECT " + userColumns + " FROM users WHERE tenant_id = $1 ORDER BY id"
)

// UpdateUser implements storage.Users.
func (t *Tenant) UpdateUser(ctx context.Context, user storage.User, ev storage.Event) error {
	u := newUnit(t.id, "user "+string(user.ID))
	u.must(storage.ErrConflict, updateUser, owned(t.id, userArgs(user))...)
	u.change(storage.ChangeUser, t.id, string(user.ID))
	u.otherwise = &query{sql: userByID, args: []any{t.id, string(user.ID)}}
	u.event(ev)
	return write(ctx, t.engine, u)
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
