package sqlstore

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

var (
	insertLogin  = some(insert("logins", loginColumns))
	advanceLogin = one(`UPDATE logins SET step = $2, browser = $3, request = $4, return_to = $5, tenant = $6,
		connection_id = $7, session_id = $8, email = $9, purpose = $10, need = $11, ceremony = $12, test = $13,
		created_at = $14, expires_at = $15, version = version + 1
		WHERE id = $1 AND version = $16 AND step <> '` + string(storage.StepDone) + `' AND expires_at > $17`)
)

const loginByID = "SELECT " + loginColumns + " FROM logins WHERE id = $1 AND expires_at > $2"

// BeginLogin implements storage.Logins.
func (s *Store) BeginLogin(ctx context.Context, l storage.Login) error {
	u := newUnit(noTenant, "begin login")
	u.do(insertLogin, loginArgs(l)...)
	return write(ctx, s.engine, u)
}

// Login implements storage.Logins.
func (s *Store) Login(ctx context.Context, id storage.LoginID, now time.Time) (storage.Login, error) {
	var l storage.Login
	err := find(ctx, s.engine, scope{what: "login"}, loginByID, loginFields(&l), string(id), when(now))
	return l, err
}

// AdvanceLogin implements storage.Logins. A transaction that is not there, or
// expired before now, gives ErrConsumed too.
func (s *Store) AdvanceLogin(ctx context.Context, l storage.Login, now time.Time) error {
	u := newUnit(noTenant, "advance login")
	u.must(storage.ErrConsumed, advanceLogin, append(loginArgs(l), when(now))...)
	return write(ctx, s.engine, u)
}
