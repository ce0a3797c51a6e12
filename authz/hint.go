package authz

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// idTokenType is the typ of our ID tokens. What else our keys sign has another one
// (RFC 8725 section 3.11): a logout token is no ID token.
const idTokenType = "JWT"

// errNoHint: what was sent as an ID token is none of ours.
var errNoHint = errors.New("authz: the id_token_hint is no ID token of this deployment")

// idToken is what an ID token of ours says.
type idToken struct {
	Issuer   string            `json:"iss"`
	Subject  storage.UserID    `json:"sub"`
	Audience storage.ClientID  `json:"aud"` // we write one, and as a string
	Session  storage.SessionID `json:"sid"`
	Expires  int64             `json:"exp"`
}

// SignOutHint reads the id_token_hint of a request to sign out (OpenID Connect
// RP-Initiated Logout section 2): an ID token that this deployment signed for one
// client, with a key that is still published. It may have expired; which person,
// client and session it is about is not looked up. An error: it is none, or the keys
// could not be read.
func (s *Server) SignOutHint(ctx context.Context, raw string) (storage.SignOutHint, error) {
	t, err := s.readIDToken(ctx, raw)
	switch {
	case err != nil:
		return storage.SignOutHint{}, err
	case t.Audience == "":
		return storage.SignOutHint{}, errNoHint
	}
	return storage.SignOutHint{
		User: t.Subject, Client: t.Audience, Session: t.Session, Expired: !s.now().Before(time.Unix(t.Expires, 0)),
	}, nil
}

// hinted returns the person that an ID token of ours is about. False: it is none
// of ours. An expired one is good: it says who, not that they are here (AZ-24).
func (s *Server) hinted(ctx context.Context, hint string) (storage.UserID, bool) {
	t, err := s.readIDToken(ctx, hint)
	return t.Subject, err == nil
}

// readIDToken believes an ID token of ours.
func (s *Server) readIDToken(ctx context.Context, raw string) (idToken, error) {
	if len(raw) > maxIDHint {
		return idToken{}, errNoHint
	}
	payload, err := s.cfg.Signer.Verify(ctx, raw)
	if err != nil {
		return idToken{}, fmt.Errorf("%w: %w", errNoHint, err)
	}
	var t idToken
	if typeOf(raw) != idTokenType || json.Unmarshal(payload, &t) != nil || t.Issuer != s.cfg.Issuer || t.Subject == "" {
		return idToken{}, errNoHint
	}
	return t, nil
}

// typeOf is the typ of a JWS whose signature, which is over its header too, is good.
func typeOf(compact string) string {
	encoded, _, _ := strings.Cut(compact, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	var header struct {
		Type string `json:"typ"`
	}
	if err != nil || json.Unmarshal(raw, &header) != nil {
		return ""
	}
	return header.Type
}
