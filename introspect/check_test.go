package introspect_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

// ownWorld is a deployment that has keys and a catalogue, whose own API is own-api
// and offers nothing but api-keys:read.
func ownWorld(t *testing.T) *world {
	w := newWorld(t)
	cfg, _ := w.withKeys(parsed(t, monitoring))
	w.remember(cfg)
	w.resourceServer("own-api", func(rs *storage.ResourceServer) {
		rs.Scopes = []storage.Scope{{Name: catalogue.ScopeKeysRead, Description: "See"}}
	})
	return w
}

func (w *world) check(q introspect.Ask) introspect.Holder {
	w.t.Helper()
	h, err := w.server.Check(w.t.Context(), "own-api", q)
	must(w.t, err)
	return h
}

// The deployment's own API gets the whole record, and scopes that are not narrowed
// to what it offers, by one statement each.
func TestCheckOfTheDeploymentsOwnAPI(t *testing.T) {
	w := ownWorld(t)
	s, k := w.issueBound(), w.key(func(k *storage.APIKey) { k.Scopes = []string{"monitor:write"} })
	w.warm(tok(s))
	w.warm(tok(k))
	before := w.statements.Load()
	h := w.check(introspect.Ask{Token: s})
	if !h.Active || h.Why != "" || h.Key != nil || h.Token.User != w.alice.ID || h.Token.UserInfo.Role != storage.RoleOwner {
		t.Errorf("%+v", h)
	}
	if d := cmp.Diff([]string{"alert:write", "monitor:read"}, h.Scopes); d != "" {
		t.Error(d)
	}
	h = w.check(introspect.Ask{Token: k})
	if !h.Active || h.Token != nil || h.Key.Owner != w.alice.ID || h.Key.Life.TenantID != w.acme.ID {
		t.Errorf("%+v", h)
	}
	if d := cmp.Diff([]string{"monitor:read", "monitor:write"}, h.Scopes); d != "" {
		t.Error(d)
	}
	if n := w.statements.Load() - before; n != 2 {
		t.Errorf("%d statements, want 2", n)
	}
	if d := cmp.Diff([]use{{"", "", "", "demo-api", 2}, {"", "", "", "own-api", 1}}, w.usage(k)); d != "" {
		t.Error(d)
	}
}

func TestCheckOfWhatIsNotGood(t *testing.T) {
	w := ownWorld(t)
	w.resourceServer("globex-api", func(rs *storage.ResourceServer) { rs.TenantID = w.globex.ID })
	revoked := w.key()
	w.revokeKey(revoked)
	bound := w.key(profiled("https"), listed("192.0.2.0/24"))
	for want, q := range map[string]introspect.Ask{
		"malformed":     {Token: keyPrefix + "garbage"},
		"refresh_token": {Token: token.New(token.Refresh, start.Add(time.Hour))},
		"unknown":       {Token: keyPrefix + token.NewSecret()},
		"revoked":       {Token: revoked},
		"plain_http":    {Token: bound, IP: "192.0.2.1"},
		"address":       {Token: bound, IP: "198.51.100.1", HTTPS: true},
		"expired":       {Token: w.key(func(k *storage.APIKey) { k.ExpiresAt = start })},
		"audience":      {Token: w.issue(func(a *storage.AccessToken) { a.Audience = []string{"https://other.example.com"} })},
		"":              {Token: bound, IP: "192.0.2.1", HTTPS: true},
	} {
		h := w.check(q)
		if h.Why != want || h.Active != (want == "") || !h.Active && (h.Key != nil || h.Token != nil || h.Scopes != nil) {
			t.Errorf("%q: %+v", want, h)
		}
	}
	h, err := w.server.Check(t.Context(), "globex-api", introspect.Ask{Token: w.key()})
	if err != nil || h.Active {
		t.Errorf("an API of another tenant: %+v %v", h, err)
	}
}

func TestCheckTakesFromAKeysRate(t *testing.T) {
	w := ownWorld(t)
	s := w.key(profiled("slow"))
	w.check(introspect.Ask{Token: s})
	w.ask(tok(s)) // the same rate, wherever the key is used
	_, err := w.server.Check(t.Context(), "own-api", introspect.Ask{Token: s})
	if e := web.AsError(err); e.Status != http.StatusTooManyRequests || e.Code != "slow_down" || !strings.Contains(e.Header.Get("RateLimit-Policy"), `"key"`) {
		t.Errorf("%v", err)
	}
}

func TestCheckThatNobodyCanAnswer(t *testing.T) {
	w := ownWorld(t)
	s := w.key()
	if _, err := w.server.Check(t.Context(), "nobody", introspect.Ask{Token: s}); err == nil || web.AsError(err).Status != http.StatusInternalServerError {
		t.Errorf("not registered: %v", err)
	}
	w.resourceServer("off-api", func(rs *storage.ResourceServer) { rs.DisabledAt = start })
	if _, err := w.server.Check(t.Context(), "off-api", introspect.Ask{Token: s}); err == nil || web.AsError(err).Status != http.StatusInternalServerError {
		t.Errorf("disabled: %v", err)
	}
	w.forget()
	cfg, _ := w.withKeys(nil)
	cfg.Store = keysAway{w.store}
	w.mount(cfg)
	if _, err := w.server.Check(t.Context(), "own-api", introspect.Ask{Token: s}); err == nil || web.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("away: %v", err)
	}
	if rec := w.ask(tok(s)); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("away: %d %s", rec.Code, rec.Body)
	}
}

// keysAway is a store that cannot read keys.
type keysAway struct{ introspect.Store }

func (keysAway) IntrospectKey(context.Context, storage.ResourceServerID, [32]byte) (storage.ResourceServer, *storage.LiveKey, error) {
	return storage.ResourceServer{}, nil, errors.New("away")
}

// RL-08: guesses at the deployment's own API are signalled as at any other.
func TestAttackGuessesAtTheDeploymentsOwnAPI(t *testing.T) {
	w := ownWorld(t)
	for range 100 {
		w.check(introspect.Ask{Token: keyPrefix + "guess"})
	}
	if !strings.Contains(w.log.String(), "token scanning") {
		t.Error(w.log.String())
	}
}
