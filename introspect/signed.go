package introspect

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Signer signs claims as a compact JWS with that alg and typ, by the deployment's
// active key, which its JWKS publishes.
type Signer interface {
	Sign(ctx context.Context, alg, typ string, claims any) (string, error)
}

// Signed answers (RFC 9701).
const (
	signedType  = "token-introspection+jwt" // of the JOSE header, section 5
	signedMedia = "application/" + signedType
	// signedAlg is the default of section 6; resource servers have no other choice.
	signedAlg = "RS256"
)

// signedAnswer is the JWT of RFC 9701 section 5. It has no sub and no exp at its
// top, so that it is of no use as an access token or an ID token (section 8.1).
type signedAnswer struct {
	Issuer        string          `json:"iss"`
	Audience      string          `json:"aud"`
	IssuedAt      int64           `json:"iat"`
	Introspection json.RawMessage `json:"token_introspection"`
}

// reply writes a verdict in the form that was asked for: signed, when the request
// names RFC 9701's media type and there is something to sign with, and otherwise
// JSON. A signature that cannot be made is 503, and never an answer without.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, v verdict) error {
	if !s.signs(r) {
		return writeAnswer(w, v.answer)
	}
	rs, err := s.whole(r.Context(), v.rs)
	if err != nil {
		return web.Unavailable(err)
	}
	jwt, err := s.cfg.Signer.Sign(r.Context(), signedAlg, signedType, signedAnswer{
		Issuer: s.cfg.Issuer, Audience: audienceOf(rs), IssuedAt: v.question.now.Unix(), Introspection: v.answer,
	})
	if err != nil {
		return web.Unavailable(err)
	}
	writeSigned(w, jwt)
	return nil
}

// audienceOf names a resource server in a signed answer.
func audienceOf(rs storage.ResourceServer) string {
	if rs.Audience == "" {
		return string(rs.ID)
	}
	return rs.Audience
}

func writeSigned(w http.ResponseWriter, jwt string) {
	w.Header().Set("Content-Type", signedMedia)
	// Said here, because an answer that is flushed gets none of net/http.
	w.Header().Set("Content-Length", strconv.Itoa(len(jwt)))
	w.WriteHeader(http.StatusOK)
	// Whoever went away before the answer was written needs no other.
	_, _ = w.Write([]byte(jwt))
}

// signs reports whether the answer to r is a signed one.
func (s *Server) signs(r *http.Request) bool {
	return s.cfg.Signer != nil && wantsSigned(r.Header["Accept"])
}

// anonymous turns the refusal of a request that names nobody into 400, when a
// signed answer was asked for (RFC 9701 section 5, the note). Whoever presents
// credentials, and be they wrong, is told 401 as in RFC 7662 section 2.3.
func (s *Server) anonymous(r *http.Request, c caller, err error) error {
	e := web.AsError(err)
	if c.UsedHeader || c.Secret != "" || e.Status != http.StatusUnauthorized || !s.signs(r) {
		return err
	}
	bad := *e
	bad.Status = http.StatusBadRequest
	return &bad
}

// wantsSigned reads Accept (RFC 9110 section 12.5.1): the signed form has to be
// named, because */* is what everybody sends, and liked at least as much as JSON.
func wantsSigned(accept []string) bool {
	if len(accept) == 0 {
		return false
	}
	signed, plain := 0.0, 0.0
	closest := 0 // how closely JSON was named
	for element := range elements(strings.Join(accept, ",")) {
		media, params, err := mime.ParseMediaType(element)
		q, ok := weight(params)
		if err != nil || !ok {
			continue
		}
		if media == signedMedia {
			signed = max(signed, q)
		}
		if names := closeness[media]; names > closest {
			closest, plain = names, q
		}
	}
	return signed > 0 && signed >= plain
}

// closeness is how closely a media range names JSON: the closest one's weight
// counts.
var closeness = map[string]int{"*/*": 1, "application/*": 2, "application/json": 3}

// weight is the q of a media range (RFC 9110 section 12.4.2), and false if that is
// none.
func weight(params map[string]string) (float64, bool) {
	s, there := params["q"]
	if !there {
		return 1, true
	}
	q, err := strconv.ParseFloat(s, 64)
	return q, err == nil && q >= 0 && q <= 1 && len(s) <= len("0.123")
}

// elements are those of a list whose commas may also be in quoted strings
// (RFC 9110 section 5.6.1).
func elements(list string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		quoted := false
		start := 0
		for i := range len(list) {
			switch c := list[i]; {
			case c == '"' && (i == 0 || list[i-1] != '\\'):
				quoted = !quoted
			case c == ',' && !quoted:
				if !yield(list[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(list[start:])
	}
}
