package authz

import (
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/token/jwt"
)

// session is fosite's session, reduced to what its handlers insist on: a
// subject. It keeps no expiry, so that fosite, which reads the machine's clock,
// has nothing to compare.
type session struct {
	claims  jwt.IDTokenClaims
	headers jwt.Headers
}

func newSession(subject string) *session {
	return &session{claims: jwt.IDTokenClaims{Subject: subject}}
}

// SetExpiresAt does nothing: expiry is the server's, by the injected clock.
func (s *session) SetExpiresAt(fosite.TokenType, time.Time) {}

// GetExpiresAt returns no time, for which fosite takes the configured lifespan.
func (s *session) GetExpiresAt(fosite.TokenType) time.Time { return time.Time{} }

func (s *session) GetUsername() string               { return "" }
func (s *session) GetSubject() string                { return s.claims.Subject }
func (s *session) Clone() fosite.Session             { return newSession(s.claims.Subject) }
func (s *session) IDTokenClaims() *jwt.IDTokenClaims { return &s.claims }
func (s *session) IDTokenHeaders() *jwt.Headers      { return &s.headers }
