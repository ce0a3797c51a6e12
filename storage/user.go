package storage

import (
	"context"
	"time"
)

// Role is what a person may do in their tenant.
type Role string

// The roles, from most to least.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleViewer Role = "viewer"
)

// User is a person in one tenant (D2).
type User struct {
	ID            UserID
	Role          Role
	Email         string
	EmailVerified bool // as the identity provider says
	// ProvedEmail is the address that the person has proved to us that they read; it
	// counts while it is Email.
	ProvedEmail string
	// Claims are the standard OIDC claims as the identity provider said them
	// at the last sign-in: values of JSON types, no sub.
	Claims map[string]any

	DisabledAt time.Time
	CreatedAt  time.Time
	Version    int64
}

// EmailProved reports whether the address is known to be the person's.
func (u User) EmailProved() bool {
	return u.Email != "" && (u.EmailVerified || u.ProvedEmail == u.Email)
}

// Identity is a subject at a connection: the key of a person (D2). Never an
// e-mail address.
type Identity struct {
	Connection ConnectionID
	Issuer     string
	Subject    string
}

// Users keeps one tenant's people. They are created by signing in (see
// [Sessions.SignIn]) or by an invitation.
type Users interface {
	// CreateUser adds somebody who has not signed in yet, with the identities that
	// they will have. ErrExists: the id or an identity is taken. ErrNotFound: no such
	// connection.
	CreateUser(ctx context.Context, u User, ids []Identity, ev Event) error
	// InviteUser is CreateUser for somebody whose address nobody has. ErrExists, too:
	// somebody has it, compared in lower case, however many are invited at once.
	InviteUser(ctx context.Context, u User, ids []Identity, ev Event) error
	// UpdateUser replaces everything but the id, if the stored version is
	// u.Version. ErrConflict, ErrNotFound. ErrLastOwner: the tenant's last owner who is
	// not disabled would be disabled, or none any more, however many do this at once.
	UpdateUser(ctx context.Context, u User, ev Event) error
	UserReader
}

// UserReader finds one tenant's people.
type UserReader interface {
	// User returns ErrNotFound for an unknown id, and for another tenant's.
	User(ctx context.Context, id UserID) (User, error)
	// UserByIdentity returns ErrNotFound when nobody signed in so yet.
	UserByIdentity(ctx context.Context, i Identity) (User, error)
	// UsersByEmail returns up to 10 who have the address, compared in lower case, in
	// the order of their ids. None is no error.
	UsersByEmail(ctx context.Context, email string) ([]User, error)
	// Identities returns a person's, in the order of their connections.
	Identities(ctx context.Context, user UserID) ([]Identity, error)
	// ListUsers returns the tenant's, in the order of their ids.
	ListUsers(ctx context.Context) ([]User, error)
	// PageUsers returns up to limit of them, newest first, older than before when
	// that is not "".
	PageUsers(ctx context.Context, before UserID, limit int) ([]User, error)
	// Owners returns those with RoleOwner who are not disabled, at most 100.
	Owners(ctx context.Context) ([]User, error)
}
