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
	EmailVerified bool
	// Claims are the standard OIDC claims as the identity provider said them
	// at the last sign-in: values of JSON types, no sub.
	Claims map[string]any

	DisabledAt time.Time
	CreatedAt  time.Time
	Version    int64
}

// Identity is a subject at a connection: the key of a person (D2). Never an
// e-mail address.
type Identity struct {
	Connection ConnectionID
	Issuer     string
	Subject    string
}

// Users keeps one tenant's people. They are created by signing in; see
// [Sessions.SignIn].
type Users interface {
	// UpdateUser replaces everything but the id, if the stored version is
	// u.Version. ErrConflict, ErrNotFound.
	UpdateUser(ctx context.Context, u User, ev Event) error
	UserReader
}

// UserReader finds one tenant's people.
type UserReader interface {
	// User returns ErrNotFound for an unknown id, and for another tenant's.
	User(ctx context.Context, id UserID) (User, error)
	// UserByIdentity returns ErrNotFound when nobody signed in so yet.
	UserByIdentity(ctx context.Context, i Identity) (User, error)
	// ListUsers returns the tenant's, in the order of their ids.
	ListUsers(ctx context.Context) ([]User, error)
}
