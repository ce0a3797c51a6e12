package backchannel

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

const (
	// tokenType is the typ of a logout token: nothing takes it for an ID token
	// (RFC 8725 section 3.11).
	tokenType = "logout+jwt"
	// tokenFor is how long one is good (section 2.4).
	tokenFor = 2 * time.Minute
	// event is the member of events that makes it a logout token.
	event = "http://schemas.openid.net/event/backchannel-logout"
	// standardAlg signs for clients that named no algorithm for their ID tokens.
	standardAlg = "RS256"
)

// claims are those of a logout token (OpenID Connect Back-Channel Logout section 2.4).
// There is no nonce, by which one could be taken for an ID token.
type claims struct {
	Issuer   string              `json:"iss"`
	Subject  storage.UserID      `json:"sub"`
	Audience storage.ClientID    `json:"aud"`
	IssuedAt int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	ID       string              `json:"jti"`
	Events   map[string]struct{} `json:"events"`
	Session  storage.SessionID   `json:"sid"`
}

// token is that of one attempt: its jti and times are its own.
func (w *Worker) token(ctx context.Context, l storage.Logout, client storage.Client) (string, error) {
	alg := client.IDTokenAlg
	if alg == "" {
		alg = standardAlg
	}
	now := w.now()
	return w.cfg.Signer.Sign(ctx, alg, tokenType, claims{
		Issuer: w.cfg.Issuer, Subject: l.User, Audience: client.ID, IssuedAt: now.Unix(), Expires: now.Add(tokenFor).Unix(),
		ID: token.NewSecret(), Events: map[string]struct{}{event: {}}, Session: l.Session,
	})
}

// post sends a logout token (section 2.5). What the answer says beside its status
// nobody reads.
func (w *Worker) post(ctx context.Context, uri, token string) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body := url.Values{"logout_token": {token}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := w.cfg.Poster.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}
