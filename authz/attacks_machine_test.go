package authz_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// machine asks for a token by client credentials.
func (w *world) machine(edit ...func(*http.Request)) *httptest.ResponseRecorder {
	return w.post("/oauth2/token", form("grant_type", "client_credentials"), append([]func(*http.Request){as("m2m")}, edit...)...)
}

// with authenticates as a client with another secret.
func with(client, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(client), url.QueryEscape(secret)) }
}

// edit changes acme.
func (w *world) edit(change func(*storage.Tenant)) {
	w.Helper()
	tenant, err := w.store.TenantByID(w.Context(), w.acme.ID)
	w.must(err)
	change(&tenant)
	w.must(w.store.UpdateTenant(w.Context(), tenant, event("tenant.updated")))
}

// remembered makes sure that the machine is: its next token costs one round
// trip.
func (w *world) remembered() tokens {
	w.Helper()
	w.machine()
	var got tokens
	if n := w.counted(func() { got = w.tokens(w.machine()) }); n != 1 || got.Access == "" {
		w.Fatalf("%d round trips and %q, want a remembered machine", n, got.Error)
	}
	return got
}

// A machine that is remembered is believed to be what it was, and the statement
// that stores its token knows better: at once, and in both directions.
func TestAttackRememberedMachineOfAClosedTenant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		close, open func(*storage.Tenant)
		cause       string // for the log alone
	}{
		"suspended": {
			func(t *storage.Tenant) { t.SuspendedAt = start },
			func(t *storage.Tenant) { t.SuspendedAt, t.TokensNotBefore = time.Time{}, start.Add(time.Second) },
			"tenant_suspended",
		},
		"not listed": {
			func(t *storage.Tenant) { t.Policy.OnlyListedClients = true },
			func(t *storage.Tenant) { t.Policy.Clients = []storage.ClientID{"m2m"} },
			"client_not_allowed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				early := w.remembered()
				w.edit(c.close)
				if name == "suspended" && w.alive(early.Access) {
					w.Error("its tokens must be dead at once")
				}
				for range 2 {
					rec := w.machine()
					w.refused(rec, 400, "unauthorized_client")
					if got := w.tokens(rec).Text; got != "The client may not get tokens right now." || !strings.Contains(w.log.String(), `"cause":"`+c.cause+`"`) {
						w.Errorf("the client reads %q, the log %s", got, w.log.String())
					}
				}
				w.edit(c.open)
				w.pass(time.Second)
				if got := w.tokens(w.machine()); !w.alive(got.Access) {
					w.Errorf("open again, and got %q", got.Error)
				}
				if name == "suspended" && w.alive(early.Access) {
					w.Error("a token from before the suspension lives again")
				}
			})
		})
	}
}

func TestAttackRememberedMachineThatMayNoMore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*storage.Client)
		status int
		code   string
	}{
		"disabled":       {func(c *storage.Client) { c.DisabledAt = start }, 401, "invalid_client"},
		"secret rotated": {func(c *storage.Client) { c.Secrets = []storage.Secret{token.Seal("new", start, time.Time{})} }, 401, "invalid_client"},
		"other method":   {func(c *storage.Client) { c.AuthMethod = storage.AuthPost }, 401, "invalid_client"},
		"grant lost":     {func(c *storage.Client) { c.GrantTypes = []string{storage.GrantAuthorizationCode} }, 400, "unauthorized_client"},
		"tenant lost":    {func(c *storage.Client) { c.ServiceTenant = "" }, 400, "unauthorized_client"},
		"scopes lost":    {func(c *storage.Client) { c.Scopes = []string{"openid"} }, 400, "invalid_scope"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.remembered()
			w.change("m2m", c.change)
			for range 2 {
				w.refused(w.machine(), c.status, c.code)
			}
			if name == "secret rotated" && w.tokens(w.machine(with("m2m", "new"))).Access == "" {
				t.Error("the new secret is refused")
			}
		})
	}
}

// CA-09: two secrets are good while one replaces the other, until the end that
// the older one was given, to the millisecond.
func TestAttackSecretAfterItsRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	end := start.Add(3 * time.Second)
	w.change("m2m", func(c *storage.Client) {
		c.Secrets = []storage.Secret{token.Seal(secret, start, end), token.Seal("new", start, time.Time{})}
	})
	w.pass(3*time.Second - time.Millisecond)
	w.remembered()
	if w.tokens(w.machine(with("m2m", "new"))).Access == "" {
		t.Error("the new secret is refused while both are good")
	}
	w.pass(time.Millisecond)
	w.refused(w.machine(), 401, "invalid_client")
	w.refused(w.post("/oauth2/revoke", form("token", "x"), as("m2m")), 401, "invalid_client")
	if w.tokens(w.machine(with("m2m", "new"))).Access == "" {
		t.Error("the new secret is refused")
	}
}

// A machine is remembered by its own secret, and by no other.
func TestAttackRememberedMachinesName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.remembered()
	w.refused(w.machine(with("m2m", "wrong")), 401, "invalid_client")
	w.refused(w.machine(with("m2", "m"+secret)), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "client_id", "m2m")), 401, "invalid_client")
	w.refused(w.post("/oauth2/token", form("grant_type", "client_credentials", "client_id", "m2m", "client_secret", secret)), 401, "invalid_client")
}
