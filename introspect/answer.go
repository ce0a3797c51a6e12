package introspect

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// active is the answer about a live token (RFC 7662 section 2.2). scope is there
// even when it is empty: a missing one could be read as "everything".
type active struct {
	Active    bool             `json:"active"`
	Scope     string           `json:"scope"`
	ClientID  storage.ClientID `json:"client_id"`
	Username  string           `json:"username,omitempty"`
	TokenType string           `json:"token_type"`
	Exp       int64            `json:"exp"`
	Iat       int64            `json:"iat"`
	Nbf       int64            `json:"nbf"`
	Sub       string           `json:"sub"`
	// Aud is the asking resource server's, and not who else the token is for.
	Aud      string           `json:"aud,omitempty"`
	Iss      string           `json:"iss"`
	JTI      storage.TokenID  `json:"jti"`
	TenantID storage.TenantID `json:"tenant_id"`
	Tenant   string           `json:"tenant"`
	AMR      []string         `json:"amr,omitempty"`
	ACR      string           `json:"acr,omitempty"`
	AuthTime int64            `json:"auth_time,omitempty"`
}

// describe tells the asking resource server about a live token.
func (s *Server) describe(rs storage.ResourceServer, t *storage.LiveToken, scopes []string) active {
	a := active{
		Active: true, Scope: strings.Join(scopes, " "), ClientID: t.Client, TokenType: "Bearer",
		Exp: end(t), Iat: t.IssuedAt.Unix(), Nbf: t.IssuedAt.Unix(),
		Sub: string(t.User), Username: t.UserInfo.Email, Aud: rs.Audience, Iss: s.cfg.Issuer, JTI: t.ID,
		TenantID: t.Life.TenantID, Tenant: t.Life.TenantSlug, AMR: t.Auth.AMR, ACR: t.Auth.ACR,
	}
	if t.User == "" { // client_credentials: the client is the subject
		a.Sub = string(t.Client)
	}
	if !t.Auth.AuthTime.IsZero() {
		a.AuthTime = t.Auth.AuthTime.Unix()
	}
	return a
}

// end is when the token is over, and with it its family: whoever caches the
// answer must not keep it longer (RFC 7662 section 4).
func end(t *storage.LiveToken) int64 {
	e := t.ExpiresAt
	if g := t.Life.GrantExpiresAt; !g.IsZero() && g.Before(e) {
		e = g
	}
	return e.Unix()
}

var inactive = []byte(`{"active":false}`)

// encode is the answer as it is sent.
func encode(a active) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	err := enc.Encode(a)
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), err
}

// writeAnswer writes the JSON of RFC 7662, whatever it says, in the same way.
func writeAnswer(w http.ResponseWriter, answer []byte) error {
	w.Header().Set("Content-Type", "application/json")
	// Said here, because an answer that is flushed gets none of net/http.
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(http.StatusOK)
	// Whoever went away before the answer was written needs no other.
	_, _ = w.Write(answer)
	return nil
}
