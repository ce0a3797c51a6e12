package idp

import (
	"errors"
	"net/http"

	"github.com/watchgate/watchgate/storage"
)

// StepUp begins a transaction of this browser that gets its session what it still
// needs, does what p says, and comes back to returnTo, which is a path of this server.
// It asks for exactly what is missing: a whole authentication of whoever authenticates
// the person, a factor of theirs, or nothing. live is one of [Server.Current].
func (s *Server) StepUp(w http.ResponseWriter, r *http.Request, live storage.LiveSession, n storage.Need, p storage.LoginPurpose, returnTo string) error {
	if !ownPath(returnTo) {
		return errors.New("idp: step-up: returnTo is no path of this server")
	}
	return s.begin(w, r, storage.Login{
		Tenant: live.Tenant.ID, Connection: live.Connection, Session: live.ID, Need: n, Purpose: p, ReturnTo: returnTo,
	})
}

// Removable reports whether a person may remove one of their factors: not the last one
// that their tenant's policy asks for, nor, of somebody who signs in without an identity
// provider, the last passkey, by which they are known. all are theirs, and con is where
// they sign in.
func Removable(p storage.TenantPolicy, con storage.ConnectionKind, all []storage.Factor, id storage.FactorID) bool {
	var passkeys, others int
	for _, f := range all {
		switch {
		case f.ID == id:
		case f.Kind == storage.FactorPasskey:
			passkeys++
		default:
			others++
		}
	}
	switch {
	case con == storage.Passkey, p.RequireLevel == storage.LevelPHR:
		return passkeys > 0
	case p.RequireLevel != storage.LevelNone:
		return passkeys+others > 0
	}
	return true
}
