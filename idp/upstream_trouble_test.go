package idp_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/oidcconn"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/internal/outbound"
)

// guarded is a house whose providers are reached as in production: with limits on time
// and size. Its log is kept.
func guarded(t *testing.T) (*house, *bytes.Buffer) {
	t.Helper()
	h, log := newHouse(t), &bytes.Buffer{}
	// Every server of httptest has the same certificate.
	roots := h.op["acme"].Client.Transport.(*http.Transport).TLSClientConfig.RootCAs
	client := outbound.New(outbound.Config{AllowLoopbackHTTP: true, RootCAs: roots, Timeout: 300 * time.Millisecond, Now: h.clock.Now}).HTTP(256<<10, 0)
	h.configure = func(cfg *idp.Config) {
		cfg.Connect = oidcconn.Connect(oidcconn.Config{Client: client, Opener: h.sealer, Now: h.clock.Now})
	}
	h.log = slog.New(slog.NewJSONHandler(log, nil))
	h.start(base)
	return h, log
}

// A provider in trouble is a page in words with a reference. Nothing is made, nothing is
// linked, and the log has the cause under that reference.
func TestProviderInTrouble(t *testing.T) {
	huge := func(path string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(`{"x":"`))
			for range 10 << 10 {
				if _, err := w.Write(bytes.Repeat([]byte("x"), 1<<10)); err != nil {
					break
				}
			}
			w.Write([]byte(`"}`))
			return true
		}
	}
	silent := func(path string) func(http.ResponseWriter, *http.Request) bool {
		return func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			io.Copy(io.Discard, r.Body) // whoever has not been heard out is not known to have gone
			<-r.Context().Done()
			return true
		}
	}
	const discovery = "/.well-known/openid-configuration"
	unavailable, invalid := "upstream_unavailable", "upstream_invalid"
	for name, c := range map[string]struct {
		set  func(op *optest.Provider)
		code string
	}{
		"silent at discovery":     {func(op *optest.Provider) { op.Intercept = silent(discovery) }, unavailable},
		"silent at the token":     {func(op *optest.Provider) { op.Intercept = silent("/token") }, unavailable},
		"silent at the keys":      {func(op *optest.Provider) { op.Intercept = silent("/jwks") }, unavailable},
		"down at discovery":       {func(op *optest.Provider) { op.Intercept = broken(discovery) }, unavailable},
		"down at the token":       {func(op *optest.Provider) { op.Intercept = broken("/token") }, unavailable},
		"10 MB of discovery":      {func(op *optest.Provider) { op.Intercept = huge(discovery) }, invalid},
		"10 MB of token":          {func(op *optest.Provider) { op.Intercept = huge("/token") }, invalid},
		"10 MB of keys":           {func(op *optest.Provider) { op.Intercept = huge("/jwks") }, unavailable},
		"another issuer there":    {func(op *optest.Provider) { op.Discovery = set("issuer", "https://evil.example") }, invalid},
		"another issuer in token": {func(op *optest.Provider) { op.Claims = set("iss", "https://evil.example") }, invalid},
		"another audience":        {func(op *optest.Provider) { op.Claims = set("aud", "somebody-else") }, invalid},
		"no subject":              {func(op *optest.Provider) { op.Claims = set("sub", "") }, invalid},
		"a key that it does not publish": {func(op *optest.Provider) {
			hidden := optest.ECKey("hidden")
			op.Sign = func(payload []byte) string { return optest.Sign(hidden, nil, payload) }
		}, invalid},
	} {
		t.Run(name, func(t *testing.T) {
			h, log := guarded(t)
			h.invite("acme", "alice@acme.test", "admin")
			before := h.users("acme")
			c.set(h.op["acme"])
			b := h.browser()
			p := b.submit(b.get(b.open()), "email", "alice@acme.test")
			if p.Code == http.StatusSeeOther {
				p = b.get(h.provider(p.location()))
			}
			text := p.text()
			if !strings.Contains(p.Body.String(), "<code>"+c.code+"</code>") || !strings.Contains(text, "Reference") {
				t.Fatalf("status %d: %s", p.Code, text)
			}
			_, reference, _ := strings.Cut(text, "Reference ")
			reference, _, _ = strings.Cut(reference, " ")
			if line := lineOf(log.String(), reference); !strings.Contains(line, c.code) || !strings.Contains(line, "idp:") {
				t.Errorf("the log has no cause: %s", line)
			}
			if users := h.users("acme"); len(users) != len(before) || users[0].Version != before[0].Version || len(h.engine.approved) != 0 {
				t.Errorf("users %+v, approved %+v", users, h.engine.approved)
			}
			if got := h.events("acme"); !slices.Contains(got, "sign_in.refused "+c.code) || slices.Contains(got, "user.linked") {
				t.Errorf("events = %v", got)
			}
		})
	}
}

func set(name string, value any) func(map[string]any) {
	return func(claims map[string]any) { claims[name] = value }
}

// lineOf is the line of a log that names a request.
func lineOf(log, reference string) string {
	for line := range strings.Lines(log) {
		if reference != "" && strings.Contains(line, reference) {
			return line
		}
	}
	return ""
}

func TestProviderThatRotatesItsKeysGoesOn(t *testing.T) {
	h, _ := guarded(t)
	h.browser().signIn("alice@acme.test")
	h.clock.Forward(2 * time.Minute)
	h.op["acme"].Keys = []jose.JSONWebKey{optest.RSAKey("rsa-2")}
	h.browser().signIn("alice@acme.test")
}

// Row 41: a code that another tenant's provider gave, and its person, mean nothing here.
func TestAttackRow41CodeOfAnotherTenantsProvider(t *testing.T) {
	h, _ := guarded(t)
	other, b := h.browser(), h.browser()
	theirs := h.provider(other.toProvider(other.open(), "carol@globex.test"))
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	_, stolen, _ := strings.Cut(theirs, "code=")
	stolen, _, _ = strings.Cut(stolen, "&")
	_, own, _ := strings.Cut(back, "code=")
	own, _, _ = strings.Cut(own, "&")
	if p := b.get(strings.Replace(back, own, stolen, 1)); p.Code < 400 {
		t.Errorf("status %d", p.Code)
	}
	h.nobody()
}

// The token of another tenant's provider, served by this one's.
func TestAttackTokenOfAnotherTenantsPerson(t *testing.T) {
	h, _ := guarded(t)
	h.op["acme"].Claims = set("iss", h.op["globex"].Issuer)
	h.op["acme"].Keys = append(h.op["acme"].Keys, h.op["globex"].Keys...)
	h.browser().arriving("alice@acme.test").wants(http.StatusBadRequest, "upstream_invalid")
	h.nobody()
}
