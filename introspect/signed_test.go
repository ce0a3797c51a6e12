package introspect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

const signedMedia = "application/token-introspection+jwt"

// signing gives the world's endpoint the deployment's keys.
func (w *world) signing() *signer.Signer {
	w.t.Helper()
	sealer, err := seal.New([][]byte{bytes.Repeat([]byte{7}, seal.MinMaster)})
	must(w.t, err)
	keys, err := signer.New(context.Background(), signer.Config{
		Keys: w.store, Sealer: sealer, Now: func() time.Time { return w.clock }, Log: slog.New(slog.DiscardHandler),
	})
	must(w.t, err)
	w.mount(introspect.Config{Store: w.store, Signer: keys})
	return keys
}

func accept(values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Accept"] = values }
}

// opened is what a resource server reads in a signed answer, with the published
// keys and nothing else: the header's typ, and the claims.
func (w *world) opened(keys *signer.Signer, rec *httptest.ResponseRecorder) (typ any, claims map[string]json.RawMessage) {
	w.t.Helper()
	jwks, err := keys.JWKS(context.Background())
	must(w.t, err)
	var set jose.JSONWebKeySet
	must(w.t, json.Unmarshal(jwks, &set))
	jws, err := jose.ParseSignedCompact(rec.Body.String(), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		w.t.Fatalf("%d %s: %v", rec.Code, rec.Body, err)
	}
	payload, err := jws.Verify(set)
	must(w.t, err)
	must(w.t, json.Unmarshal(payload, &claims))
	return jws.Signatures[0].Protected.ExtraHeaders["typ"], claims
}

// IN-09.
func TestSignedAnswer(t *testing.T) {
	w := newWorld(t)
	keys := w.signing()
	w.resourceServer("no-audience", func(rs *storage.ResourceServer) { rs.Audience = "" })
	good := tok(w.issue(func(a *storage.AccessToken) { a.Scopes = []string{"monitor:read"} }))
	unknown := tok(token.New(token.Access, start.Add(time.Hour)))
	for name, c := range map[string]struct {
		form    url.Values
		as, aud string
	}{
		"active": {good, "demo-api", audience}, "active, no audience": {good, "no-audience", "no-audience"},
		"unknown": {unknown, "demo-api", audience}, "garbage": {tok("garbage"), "demo-api", audience},
		"garbage, no audience": {tok("garbage"), "no-audience", "no-audience"},
	} {
		plain := w.ask(c.form, as(c.as, secret)).Body.String()
		rec := w.ask(c.form, as(c.as, secret), accept(signedMedia))
		typ, claims := w.opened(keys, rec)
		if h := rec.Header(); rec.Code != 200 || h.Get("Content-Type") != signedMedia || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", name, rec.Code, h)
		}
		if names := slices.Sorted(maps.Keys(claims)); !slices.Equal(names, []string{"aud", "iat", "iss", "token_introspection"}) || typ != "token-introspection+jwt" {
			t.Errorf("%s: typ %v, claims %v", name, typ, names)
		}
		got := []string{string(claims["iss"]), string(claims["aud"]), string(claims["iat"]), string(claims["token_introspection"])}
		want := []string{`"` + issuer + `"`, `"` + c.aud + `"`, "1795343400", plain}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// RFC 9110 section 12.5.1.
func TestWhoGetsASignedAnswer(t *testing.T) {
	w := newWorld(t)
	w.signing()
	s := w.issue(plain)
	for _, c := range []struct {
		signed bool
		accept []string
	}{
		{true, []string{signedMedia}},
		{true, []string{"APPLICATION/Token-Introspection+JWT"}},
		{true, []string{signedMedia + ";q=0.5"}},
		{true, []string{"application/json, " + signedMedia}},
		{true, []string{"application/json", signedMedia}},
		{true, []string{signedMedia + ", */*"}},
		{true, []string{"application/json;q=0.8, " + signedMedia + ";q=0.9"}},
		{true, []string{"application/json;q=0.2, */*;q=0.9, " + signedMedia + ";q=0.5"}},
		{true, []string{`text/x;a="application/json,";q=1, ` + signedMedia + ";q=0.1"}},
		{false, nil},
		{false, []string{""}},
		{false, []string{"*/*"}},
		{false, []string{"application/*"}},
		{false, []string{"application/json"}},
		{false, []string{"application/jwt"}},
		{false, []string{signedMedia + ";q=0"}},
		{false, []string{signedMedia + ";q=0.000, */*"}},
		{false, []string{signedMedia + ";q=2"}},
		{false, []string{signedMedia + ";q=x"}},
		{false, []string{signedMedia + ";q=NaN"}},
		{false, []string{signedMedia + ";q=0.9, application/json"}},
		{false, []string{signedMedia + ";q=0.5, application/*;q=0.6"}},
		{false, []string{signedMedia + ";q=0.5", "*/*;q=0.6"}},
		{false, []string{`text/x;a="y, ` + signedMedia + `, z"`}},
	} {
		got := w.ask(tok(s), accept(c.accept...)).Header().Get("Content-Type")
		want := map[bool]string{true: signedMedia, false: "application/json"}[c.signed]
		if got != want {
			t.Errorf("%q: %s, want %s", c.accept, got, want)
		}
	}
	w.mount(introspect.Config{Store: w.store})
	if got := w.ask(tok(s), accept(signedMedia)).Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("without keys: %s", got)
	}
}

// noKeys cannot sign.
type noKeys struct{}

func (noKeys) Sign(context.Context, string, string, any) (string, error) {
	return "", errors.New("keys are on 10.0.0.1")
}

// Attack 68, C2: nobody gets a signed refusal, and what cannot be signed is not
// told without a signature.
func TestRefusalsAreNeverSigned(t *testing.T) {
	w := newWorld(t)
	w.signing()
	s := w.issue(plain)
	anonymous := func(r *http.Request) { r.Header.Del("Authorization") }
	named := func(r *http.Request) { anonymous(r); body(r, url.Values{"token": {s}, "client_id": {"demo-api"}}) }
	check := func(name string, rec *httptest.ResponseRecorder, status int, code string) {
		t.Helper()
		b := rec.Body.String()
		if rec.Code != status || rec.Header().Get("Content-Type") != "application/json" || !strings.Contains(b, `"error":"`+code+`"`) || strings.Contains(b, "active\":") {
			t.Errorf("%s: %d %s %s", name, rec.Code, rec.Header().Get("Content-Type"), b)
		}
	}
	signed := accept(signedMedia)
	check("nobody", w.ask(tok(s), anonymous, signed), 400, "invalid_client")
	check("only a name", w.ask(tok(s), named, signed), 400, "invalid_client")
	check("nobody, JSON", w.ask(tok(s), anonymous), 401, "invalid_client")
	check("wrong secret", w.ask(tok(s), as("demo-api", "x"), signed), 401, "invalid_client")
	check("bearer", w.ask(tok(s), func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s) }, signed), 401, "invalid_token")
	check("no token", w.ask(url.Values{}, signed), 400, "invalid_request")
	w.mount(introspect.Config{Store: w.store, Signer: noKeys{}})
	for _, form := range []url.Values{tok(s), tok("garbage"), {"token": {s}, "tenant": {"globex"}}} {
		check("no keys", w.ask(form, signed), 503, "temporarily_unavailable")
	}
	must(t, w.store.Close())
	check("no store", w.ask(tok(s), signed), 503, "temporarily_unavailable")
}

// TN-12 holds in every form.
func TestDenialIsRecordedAfterASignedAnswer(t *testing.T) {
	w := newWorld(t)
	keys := w.signing()
	_, claims := w.opened(keys, w.ask(url.Values{"token": {w.issue(plain)}, "tenant": {"globex"}}, accept(signedMedia)))
	if acme, _ := w.denials(); string(claims["token_introspection"]) != inactive || len(acme) != 1 {
		t.Errorf("%s, %d events", claims["token_introspection"], len(acme))
	}
}
