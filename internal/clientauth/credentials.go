package clientauth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Credentials are what a caller presented. The parts of Basic are
// form-urldecoded (RFC 6749 section 2.3.1).
type Credentials struct {
	ID, Secret string
	Method     storage.AuthMethod // AuthNone when nothing but an id, or nothing, was presented
	UsedHeader bool               // there was an Authorization header
}

// String names the caller and never the secret.
func (c Credentials) String() string { return string(c.Method) + ":" + c.ID }

// GoString is String, for %#v.
func (c Credentials) GoString() string { return c.String() }

// Causes, for the log.
var (
	errAssertion = errors.New("client assertions are not accepted here")
	errScheme    = errors.New("authorization scheme is not Basic")
	errBasic     = errors.New("malformed Basic credentials")
)

// Read returns what the request presents. Two methods at once, two
// Authorization headers, and a client_id that differs from Basic's are 400
// invalid_request (CA-02). A client assertion, another scheme than Basic and
// malformed Basic are invalid_client. A caller that presents nothing has
// Method AuthNone and the client_id of the form, which may be "".
func Read(r *http.Request, f web.Form) (Credentials, error) {
	headers := r.Header["Authorization"]
	if len(headers) > 1 {
		return Credentials{}, ambiguous()
	}
	body := fromBody(f)
	asserted := f.Get("client_assertion") != "" || f.Get("client_assertion_type") != ""
	if len(headers) == 0 {
		return withoutHeader(body, asserted)
	}
	if asserted || body.Secret != "" {
		return Credentials{}, ambiguous()
	}
	basic, err := fromHeader(headers[0])
	if err != nil {
		return Credentials{}, withCause(basic, err)
	}
	if body.ID != "" && body.ID != basic.ID {
		return Credentials{}, ambiguous()
	}
	return basic, nil
}

func withoutHeader(body Credentials, asserted bool) (Credentials, error) {
	switch {
	case asserted && body.Secret != "":
		return Credentials{}, ambiguous()
	case asserted:
		return Credentials{}, withCause(body, errAssertion)
	}
	return body, nil
}

func fromBody(f web.Form) Credentials {
	c := Credentials{ID: f.Get("client_id"), Secret: f.Get("client_secret"), Method: storage.AuthNone}
	if c.Secret != "" {
		c.Method = storage.AuthPost
	}
	return c
}

func fromHeader(header string) (Credentials, error) {
	c := Credentials{Method: storage.AuthBasic, UsedHeader: true}
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return c, errScheme
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(encoded, " "))
	if err != nil {
		return c, errBasic
	}
	id, secret, found := strings.Cut(string(decoded), ":")
	var idErr, secretErr error
	c.ID, idErr = url.QueryUnescape(id)
	c.Secret, secretErr = url.QueryUnescape(secret)
	if !found || idErr != nil || secretErr != nil || c.ID == "" || !plain(c.ID) || !plain(c.Secret) {
		return Credentials{Method: storage.AuthBasic, UsedHeader: true}, errBasic
	}
	return c, nil
}

// plain reports whether s is text that any store can look up.
func plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

// Check reports whether the credentials are good for a caller that is
// registered with method and secrets, in constant time. A caller has one method
// (CA-01). Of a public one nothing is proven, so that a secret it sends along
// changes nothing (CA-10). For an unknown caller, check with no secrets: it
// takes the same time (CA-14).
func Check(c Credentials, method storage.AuthMethod, secrets []storage.Secret, now time.Time) bool {
	if method == storage.AuthNone {
		return true
	}
	good := token.Matches(secrets, c.Secret, now)
	return good && c.Method == method
}

// Invalid is the answer to a caller that is not who it says: 401
// invalid_client, the same for an unknown id, a wrong secret and a wrong method
// (CA-14), with a challenge when it used the Authorization header (TK-06).
func Invalid(c Credentials) *web.Error {
	e := web.Refuse(http.StatusUnauthorized, "invalid_client", "The client could not be authenticated.", nil)
	if c.UsedHeader {
		return e.With("WWW-Authenticate", Challenge)
	}
	return e
}

// Challenge is the WWW-Authenticate header of an endpoint that wants Basic.
const Challenge = `Basic realm="watchgate"`

func withCause(c Credentials, cause error) *web.Error {
	e := Invalid(c)
	e.Err = cause
	return e
}

func ambiguous() *web.Error {
	return web.Refuse(http.StatusBadRequest, "invalid_request", "The request authenticates the client in more than one way.", nil)
}
