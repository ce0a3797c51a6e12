package introspect

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// active is the answer about a live token or key (RFC 7662 section 2.2). scope is
// there even when it is empty: a missing one could be read as "everything". A key
// has a client_id only if it was made through an app, and an exp only if it ends.
type active struct {
	Active    bool             `json:"active"`
	Scope     string           `json:"scope"`
	ClientID  storage.ClientID `json:"client_id,omitempty"`
	Username  string           `json:"username,omitempty"`
	TokenType string           `json:"token_type"`
	Exp       int64            `json:"exp,omitempty"`
	Iat       int64            `json:"iat"`
	Nbf       int64            `json:"nbf"`
	Sub       string           `json:"sub"`
	// Aud is the asking resource server's, and not who else the token is for.
	Aud      string           `json:"aud,omitempty"`
	Iss      string           `json:"iss"`
	JTI      string           `json:"jti"`
	KeyID    storage.KeyID    `json:"key_id,omitempty"`
	TenantID storage.TenantID `json:"tenant_id"`
	Tenant   string           `json:"tenant"`
	AMR      []string         `json:"amr,omitempty"`
	ACR      string           `json:"acr,omitempty"`
	AuthTime int64            `json:"auth_time,omitempty"`
}

// describe tells the asking resource server about a live credential.
func (s *Server) describe(rs storage.ResourceServer, c *credential, scopes []string) active {
	a := active{
		Active: true, Scope: strings.Join(scopes, " "), Exp: c.end(), Username: c.owner.Email, Aud: rs.Audience, Iss: s.cfg.Issuer,
		TenantID: c.life.TenantID, Tenant: c.life.TenantSlug,
	}
	if c.key != nil {
		a.ofKey(c.key)
	} else {
		a.ofToken(c.token)
	}
	return a
}

func (a *active) ofToken(t *storage.LiveToken) {
	a.TokenType, a.ClientID, a.JTI, a.Iat, a.Nbf = "Bearer", t.Client, string(t.ID), t.IssuedAt.Unix(), t.IssuedAt.Unix()
	a.Sub, a.AMR, a.ACR = string(t.User), t.Auth.AMR, t.Auth.ACR
	a.KeyID = t.Life.Key
	switch {
	case t.User != "":
	case t.Life.Key != "": // minted under a service key
		a.Sub = string(t.Life.Key)
	default: // client_credentials: the client is the subject
		a.Sub = string(t.Client)
	}
	if !t.Auth.AuthTime.IsZero() {
		a.AuthTime = t.Auth.AuthTime.Unix()
	}
}

// keyType is the token_type of API keys.
const keyType = "api_key"

func (a *active) ofKey(k *storage.LiveKey) {
	a.TokenType, a.ClientID, a.JTI, a.KeyID = keyType, k.Client, string(k.ID), k.ID
	a.Iat, a.Nbf, a.Sub = k.CreatedAt.Unix(), k.CreatedAt.Unix(), string(k.Owner)
	if k.Owner == "" { // a service key: it is nobody's, and speaks for itself
		a.Sub = string(k.ID)
	}
}

// end is when the credential is over, and with it its family, or the key that it
// was made under: whoever caches the answer must not keep it longer (RFC 7662
// section 4). 0: never.
func (c *credential) end() int64 {
	e := c.ends
	for _, also := range []time.Time{c.life.GrantExpiresAt, c.life.KeyExpiresAt} {
		if !also.IsZero() && (e.IsZero() || also.Before(e)) {
			e = also
		}
	}
	if e.IsZero() {
		return 0
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
