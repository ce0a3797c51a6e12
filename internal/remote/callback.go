package remote

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// callback takes the one answer to an authorization request. Any page that the
// person has open can send requests here: what does not know the state is not
// listened to, and changes nothing.
type callback struct {
	host, state, issuer string

	once sync.Once
	got  chan outcome
}

type outcome struct {
	code string
	err  error
}

func newCallback(host, state, issuer string) *callback {
	return &callback{host: host, state: state, issuer: issuer, got: make(chan outcome, 1)}
}

// answer waits for the code.
func (c *callback) answer(ctx context.Context) (string, error) {
	select {
	case o := <-c.got:
		return o.code, o.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", errors.New("nobody signed in within ten minutes")
		}
		return "", ctx.Err()
	}
}

// ServeHTTP is the redirect URI.
func (c *callback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	// A name that was pointed at this machine (DNS rebinding) is not its address.
	if r.Host != c.host || r.URL.Path != "/callback" || r.Method != http.MethodGet {
		http.Error(w, "There is nothing here.", http.StatusNotFound)
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || subtle.ConstantTimeCompare([]byte(single(q, "state")), []byte(c.state)) != 1 {
		http.Error(w, "This is not the answer to the sign-in that waits here.", http.StatusBadRequest)
		return
	}
	taken := false
	c.once.Do(func() {
		o := c.read(q)
		taken = true
		if o.err != nil {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, "The sign-in failed. The terminal says why.\n")
		} else {
			io.WriteString(w, "You are signed in. Go on in the terminal; this page can be closed.\n")
		}
		c.got <- o
	})
	if !taken {
		http.Error(w, "The sign-in is over.", http.StatusConflict)
	}
}

// read is what a response with the right state says. Who does not say that they
// are the server that was asked is another one (RFC 9207 section 2.4).
func (c *callback) read(q url.Values) outcome {
	if single(q, "iss") != c.issuer {
		return outcome{err: errors.New("the sign-in was answered by somebody else than the server (another issuer): nothing was sent there")}
	}
	if code := single(q, "error"); q.Has("error") {
		return outcome{err: refusedSignIn(code, single(q, "error_description"))}
	}
	if code := single(q, "code"); code != "" {
		return outcome{code: code}
	}
	return outcome{err: errors.New("the sign-in was answered without a code")}
}

func refusedSignIn(code, description string) error {
	if code == "access_denied" {
		return errors.New("the access was denied on the server's page")
	}
	return fmt.Errorf("the sign-in failed: %s (%s)", description, code)
}

// single is a parameter that was sent once; "" for one that was repeated (RFC 6749
// section 3.1).
func single(q url.Values, name string) string {
	if len(q[name]) != 1 {
		return ""
	}
	return q.Get(name)
}
