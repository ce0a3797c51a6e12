package guard_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/watchgate/watchgate/introspect/guard"
)

func good() guard.Config {
	return guard.Config{Issuer: issuer, ClientID: "api", Secret: "s3cr3t"}
}

func TestNewRefuses(t *testing.T) {
	for want, change := range map[string]func(*guard.Config){
		"Issuer is missing":                                 func(c *guard.Config) { c.Issuer = "" },
		"ClientID is missing":                               func(c *guard.Config) { c.ClientID = "" },
		"Secret is missing":                                 func(c *guard.Config) { c.Secret = "" },
		"and auth.example.com is not this machine":          func(c *guard.Config) { c.Issuer = "http://auth.example.com" },
		"and 10.0.0.7:8080 is not this machine":             func(c *guard.Config) { c.Endpoint = "http://10.0.0.7:8080/introspect" },
		"and localhost.evil.example is not this machine":    func(c *guard.Config) { c.Endpoint = "http://localhost.evil.example/" },
		"and 127.0.0.1.evil.example is not this machine":    func(c *guard.Config) { c.Endpoint = "http://127.0.0.1.evil.example/" },
		"Endpoint has the scheme \"ftp\"":                   func(c *guard.Config) { c.Endpoint = "ftp://auth.example.com/" },
		"Endpoint is not a URL with a host":                 func(c *guard.Config) { c.Endpoint = "/oauth2/introspect" },
		"without user and fragment":                         func(c *guard.Config) { c.Endpoint = "https://api:s3cr3t@auth.example.com/" },
		"a host, without user and fragment":                 func(c *guard.Config) { c.Endpoint = "https://auth.example.com/#x" },
		"Endpoint is not a URL":                             func(c *guard.Config) { c.Endpoint = "https://auth.example.com/\x00" },
		"Realm has characters":                              func(c *guard.Config) { c.Realm = `a", error="x` },
		"Realm has characters other":                        func(c *guard.Config) { c.Realm = "a\r\nX: y" },
		"ResourceMetadata is not a URL":                     func(c *guard.Config) { c.ResourceMetadata = `https://x"` },
		"Cache.MaxAge is not within 0 and 60 s":             func(c *guard.Config) { c.Cache.MaxAge = time.Minute + 1 },
		"Cache.MaxAge is not within":                        func(c *guard.Config) { c.Cache.MaxAge = -1 },
		"Cache.Entries is not within 0 and 16,777,216":      func(c *guard.Config) { c.Cache.Entries = 1<<24 + 1 },
		"Cache.Entries is not within":                       func(c *guard.Config) { c.Cache.Entries = -1 },
		"a timeout is negative":                             func(c *guard.Config) { c.Timeout = -1 },
		"Issuer ends with a slash":                          func(c *guard.Config) { c.Issuer += "/" },
		"ClientID is missing\nSecret is missing\nRealm has": func(c *guard.Config) { c.ClientID, c.Secret, c.Realm = "", "", "\"" },
	} {
		cfg := good()
		change(&cfg)
		if g, err := guard.New(cfg); err == nil || g != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestNewAccepts(t *testing.T) {
	for name, change := range map[string]func(*guard.Config){
		"https":             func(*guard.Config) {},
		"loopback":          func(c *guard.Config) { c.Issuer = "http://127.0.0.1:8080" },
		"all of 127/8":      func(c *guard.Config) { c.Endpoint = "http://127.9.9.9:8080/introspect" },
		"IPv6 loopback":     func(c *guard.Config) { c.Issuer = "http://[::1]:8080" },
		"localhost":         func(c *guard.Config) { c.Issuer = "http://localhost:8080" },
		"http when told so": func(c *guard.Config) { c.Endpoint, c.AllowHTTP = "http://watchgate:8080/oauth2/introspect", true },
		"a minute":          func(c *guard.Config) { c.Cache = guard.Cache{MaxAge: time.Minute, Entries: 1} },
	} {
		cfg := good()
		change(&cfg)
		if _, err := guard.New(cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSecretIsNotPrinted in any of the ways in which it gets into logs.
func TestSecretIsNotPrinted(t *testing.T) {
	cfg := good()
	cfg.Endpoint = "http://10.0.0.7/"
	_, err := guard.New(cfg)
	g := newGuard(t, good())
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("starting", slog.Any("config", cfg), slog.Any("guard", g), slog.Any("err", err))
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		fmt.Fprintf(&log, form, cfg)
		fmt.Fprintf(&log, form, &cfg)
		fmt.Fprintf(&log, form, g)
		fmt.Fprintf(&log, form, struct{ C guard.Config }{cfg})
	}
	for _, secret := range []string{"s3cr3t", "YXBpOnMzY3IzdA"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s is in %s", secret, log.String())
		}
	}
}

func TestErrorsCarryWhatTheyAreAbout(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	g := newGuard(t, e.config())
	_, err := g.Check(t.Context(), "x", guard.Need{Tenant: "acme", Scope: "monitor:read config:admin"})
	var scope *guard.ScopeError
	if !errors.Is(err, guard.ErrInsufficientScope) || !errors.As(err, &scope) || scope.Needed != "monitor:read config:admin" {
		t.Errorf("%v", err)
	}
	_, err = g.Check(t.Context(), "x", guard.Need{Tenant: "acme", ACR: []string{"phr"}, MaxAge: time.Minute})
	var authentication *guard.AuthenticationError
	if !errors.Is(err, guard.ErrInsufficientAuthentication) || !errors.As(err, &authentication) {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff(&guard.AuthenticationError{ACR: []string{"phr"}, MaxAge: time.Minute}, authentication); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// observed notes decisions.
func observed(into *[]guard.Decision) func(context.Context, guard.Event) {
	return func(_ context.Context, ev guard.Event) { *into = append(*into, ev.Decision) }
}

// TestEveryDecisionIsObservedOnce, by the middleware and by Check, with what it cost.
func TestEveryDecisionIsObservedOnce(t *testing.T) {
	e := newEndpoint(t, says(active(nil)))
	cfg := e.config()
	cfg.Cache.MaxAge = time.Minute
	var got []guard.Event
	cfg.Observe = func(_ context.Context, ev guard.Event) {
		if (ev.Err == nil) != (ev.Decision == guard.Allowed) || ev.Duration < 0 {
			t.Errorf("%+v", ev)
		}
		got = append(got, ev)
	}
	g := newGuard(t, cfg)
	h := api(g.Require("monitor:read", tenantFromPath, guard.ACR("mfa")))
	call(h, "GET", "/t/acme/monitors", bearer("x")...)
	call(h, "GET", "/t/acme/monitors", bearer("x")...)
	call(h, "GET", "/t/acme/monitors")
	call(h, "GET", "/t/acme/monitors", bearer("a b")...)
	e.does(says(active(members{"scope": ""})))
	call(h, "GET", "/t/acme/monitors", bearer("y")...)
	e.does(says(active(members{"acr": "pwd"})))
	call(h, "GET", "/t/acme/monitors", bearer("z")...)
	call(h, "GET", "/t/globex/monitors", bearer("z")...)
	e.does(says(inactive))
	call(h, "GET", "/t/acme/monitors", bearer("w")...)
	e.does(fails(503))
	call(h, "GET", "/t/acme/monitors", bearer("w")...)
	_, _ = g.Check(t.Context(), "", acme)
	_, _ = g.Check(t.Context(), "x", acme)
	want := []guard.Event{
		{Decision: guard.Allowed, Attempts: 1},
		{Decision: guard.Allowed, Cached: true},
		{Decision: guard.NoCredential},
		{Decision: guard.InvalidRequest},
		{Decision: guard.InsufficientScope, Attempts: 1},
		{Decision: guard.InsufficientAuthentication, Attempts: 1},
		{Decision: guard.OtherTenant, Attempts: 1},
		{Decision: guard.InvalidToken, Attempts: 2},
		{Decision: guard.Unavailable, Attempts: 3},
		{Decision: guard.NoCredential},
		{Decision: guard.Allowed, Cached: true},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(guard.Event{}, "Duration", "Err")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
