package authz

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// unit is one request's unit of work: what was read for it before fosite ran,
// what it may issue, and what fosite then wanted written. The server sends the
// writes as one storage call after every handler has agreed; if one refuses,
// the unit is dropped.
type unit struct {
	at     time.Time
	client storage.Client
	// redirectURI is the one that our matcher approved.
	redirectURI string

	// What was presented, with its life. At most one of them is set.
	code         *storage.LiveCode
	redirectSent string // the token request's redirect_uri
	refresh      *storage.LiveRefresh
	presented    string // the refresh token

	scopes     []string  // of the access token
	accessEnds time.Time // its expiry
	familyEnds time.Time // the absolute end of its family
	identity   identity  // whom an ID token would be about

	// What fosite wants.
	accessRaw  string // for at_hash
	minted     map[string]storage.TokenRef
	consumed   bool // the code, or the presented refresh token
	newCode    *write
	newAccess  *write
	newRefresh *write
}

// write is one row that fosite wants: where it goes, and what was granted.
type write struct {
	ref    storage.TokenRef
	scopes []string
}

type unitKey struct{}

func withUnit(ctx context.Context, u *unit) context.Context {
	return context.WithValue(ctx, unitKey{}, u)
}

// unitFrom returns the request's unit. Fosite never runs without one.
func unitFrom(ctx context.Context) *unit { return ctx.Value(unitKey{}).(*unit) }

// note remembers where a fresh token's row will be.
func (u *unit) note(signature string, ref storage.TokenRef) {
	if u.minted == nil {
		u.minted = map[string]storage.TokenRef{}
	}
	u.minted[signature] = ref
}
