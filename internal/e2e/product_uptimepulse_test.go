package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/examples/monitorapi/runner"
	"github.com/watchgate/watchgate/internal/token"
)

// pulse is the product with its owner.
type pulse struct {
	*product
	owner string // alice's access token
}

func TestProductUptimepulse(t *testing.T) {
	p := &pulse{product: startProduct(t, "uptimepulse")}
	p.owner = p.person(t, alice)
	t.Run("keys are up_live_, and up_test_ to try things out", p.form)
	t.Run("a key is bound to its workspace", p.workspace)
	t.Run("each scope at the demo API", p.scopes)
	t.Run("no scope beyond the owner's role", p.roles)
	t.Run("a rotation by hand has a grace that is chosen", p.grace)
	t.Run("a revocation holds at once", p.revoked)
	t.Run("a revocation kills the refresh tokens that depend on the key", p.dependants)
	t.Run("a revocation stops check runners", p.runners)
	t.Run("production keys have lists of addresses", p.addresses)
	t.Run("lists of addresses hold for tokens under the key", p.addressesOfTokens)
	t.Run("no key is on the disk or in the log", p.secrets)
}

// reads is a key that may see monitors.
func (p *pulse) reads(t *testing.T, more ...any) madeKey {
	t.Helper()
	body := fields{"scopes": []string{"monitor:read"}}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return p.newKey(t, p.owner, body)
}

// opens is the status of a call of the demo API that takes monitor:read.
func (p *product) opens(t *testing.T, credential string) int {
	t.Helper()
	return p.call(t, credential, http.MethodGet, "/t/acme/monitors", nil).status
}

// wantDead checks that a credential is refused wherever it can be presented.
func (p *product) wantDead(t *testing.T, what, credential string) {
	t.Helper()
	if status := p.opens(t, credential); status != http.StatusUnauthorized {
		t.Errorf("%s gets %d at the demo API", what, status)
	}
	if a := p.v1(t, credential, http.MethodGet, "/whoami", nil); a.status != http.StatusUnauthorized {
		t.Errorf("%s gets %s at /v1", what, a)
	}
	if a := p.server.introspect(t, demoAPI, credential, "ip", "127.0.0.1", "proto", "https"); a.status != http.StatusOK || a.body != inactive {
		t.Errorf("about %s introspection says %s", what, a)
	}
}

func (p *pulse) wantWorks(t *testing.T, what, credential string) {
	t.Helper()
	if status := p.opens(t, credential); status != http.StatusOK {
		t.Errorf("%s gets %d at the demo API", what, status)
	}
	if a := p.asked(t, credential, "tenant", "acme", "scope", "monitor:read"); a["active"] != true {
		t.Errorf("about %s introspection says %v", what, a)
	}
}

func (p *pulse) form(t *testing.T) {
	for profile, prefix := range map[string]string{"": "up_live_", "live": "up_live_", "test": "up_test_"} {
		body := fields{"scopes": []string{"monitor:read"}}
		if profile != "" {
			body["profile"] = profile
		}
		k := p.newKey(t, p.owner, body)
		if !liveKeyForm.MatchString(k.Secret) || !strings.HasPrefix(k.Secret, prefix) || k.Hint != k.Secret[:len(prefix)+4]+"****" {
			t.Errorf("a key of profile %q is listed as %s", profile, k.Hint)
		}
		p.wantWorks(t, "the key", k.Secret)
		p.wantDead(t, "a key with another character", garbled(k.Secret))
	}
	if k := p.reads(t); k.Profile != "live" || k.life() != 365*oneDay || k.RotateAt == nil || k.RotateAt.Sub(k.CreatedAt) != 90*oneDay {
		t.Errorf("a key of profile %s for %s, to be rotated at %v, made at %s", k.Profile, k.life(), k.RotateAt, k.CreatedAt)
	}
	if k := p.reads(t, "profile", "test"); k.RotateAt != nil {
		t.Errorf("a key to try things out is rotated at %s", k.RotateAt)
	}
}

// garbled is a key with another character in its secret.
func garbled(key string) string {
	at, other := len(key)-10, "0"
	if key[at] == '0' {
		other = "1"
	}
	return key[:at] + other + key[at+1:]
}

func (p *pulse) workspace(t *testing.T) {
	k := p.reads(t)
	if a := p.asked(t, k.Secret, "tenant", "acme"); a["active"] != true || a["tenant"] != "acme" || a["token_type"] != "api_key" || a["key_id"] != k.ID {
		t.Errorf("for acme: %v", a)
	}
	if a := p.server.introspect(t, demoAPI, k.Secret, "tenant", "globex"); a.body != inactive {
		t.Errorf("for globex: %s", a)
	}
	for _, path := range []string{"/t/globex/monitors", "/t/globex/alerts", "/t/nobody/monitors"} {
		wantStatus(t, path, p.call(t, k.Secret, http.MethodGet, path, nil), http.StatusNotFound)
	}
	carols := p.person(t, carol)
	for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodDelete} {
		wantProblem(t, method+" from another workspace", p.v1(t, carols, method, k.path(), bodyFor(method)), http.StatusNotFound, "not-found")
	}
	for call, method := range map[string]string{
		"/rotate": http.MethodPost, "/reveal": http.MethodPost, "/successor": http.MethodPost, "/usage": http.MethodGet,
		"/executions": http.MethodGet, "/events": http.MethodGet,
	} {
		wantProblem(t, call+" from another workspace", p.v1(t, carols, method, k.path()+call, nil), http.StatusNotFound, "not-found")
	}
	if keys := p.listed(t, carols, "?state=all&limit=100"); len(keys) != 0 {
		t.Errorf("another workspace sees %d keys", len(keys))
	}
	p.wantWorks(t, "the key, after all that,", k.Secret)
}

func bodyFor(method string) any {
	if method == http.MethodPatch {
		return fields{"name": "mine now"}
	}
	return nil
}

// pulseCalls are calls of the demo API with the scope that each takes.
var pulseCalls = []struct {
	scope, method, path string
	body                any
	allowed             int
}{
	{"monitor:read", http.MethodGet, "/t/acme/monitors", nil, http.StatusOK},
	{"monitor:read", http.MethodGet, "/t/acme/checks", nil, http.StatusOK},
	{"monitor:read", http.MethodGet, "/t/acme/alerts", nil, http.StatusOK},
	{"alert:write", http.MethodPost, "/t/acme/alerts", fields{"monitor": "", "message": ""}, http.StatusUnprocessableEntity},
	{"config:admin", http.MethodPut, "/t/acme/config", fields{"interval_seconds": 60, "notify_email": "ops@acme.test"}, http.StatusOK},
}

func (p *pulse) scopes(t *testing.T) {
	all := []string{"monitor:read", "alert:write", "config:admin"}
	for n := 1; n < 1<<len(all); n++ {
		var some []string
		for i, scope := range all {
			if n>>i&1 == 1 {
				some = append(some, scope)
			}
		}
		k := p.newKey(t, p.owner, fields{"scopes": some})
		p.may(t, k, some...)
	}
	p.may(t, p.newKey(t, p.owner, fields{"scopes": []string{"monitoring:admin"}}), all...)

	writes := p.newKey(t, p.owner, fields{"scopes": []string{"monitor:read", "alert:write"}})
	var monitors struct{ Monitors []struct{ ID string } }
	readInto(t, p.call(t, writes.Secret, http.MethodGet, "/t/acme/monitors", nil), &monitors)
	alert := p.call(t, writes.Secret, http.MethodPost, "/t/acme/alerts", fields{"monitor": monitors.Monitors[0].ID, "message": "down"})
	wantStatus(t, "an alert", alert, http.StatusCreated)
}

// may checks what a key may do, and that it may nothing else.
func (p *pulse) may(t *testing.T, k madeKey, scopes ...string) {
	t.Helper()
	for _, c := range pulseCalls {
		a := p.call(t, k.Secret, c.method, c.path, c.body)
		what := c.method + " " + c.path + " with " + strings.Join(k.Scopes, " ")
		if slices.Contains(scopes, c.scope) {
			wantStatus(t, what, a, c.allowed)
			continue
		}
		challenge := a.header.Get("WWW-Authenticate")
		if wantStatus(t, what, a, http.StatusForbidden); !strings.Contains(challenge, `error="insufficient_scope"`) || !strings.Contains(challenge, `scope="`+c.scope+`"`) {
			t.Errorf("%s is challenged with %s", what, challenge)
		}
	}
}

func (p *pulse) roles(t *testing.T) {
	bobs := p.person(t, bob)
	p.may(t, p.newKey(t, bobs, fields{"scopes": []string{"alert:write"}}), "alert:write")
	wantProblem(t, "a member's key for the setup", p.v1(t, bobs, http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"config:admin"}}),
		http.StatusForbidden, "scope-exceeds")
	wantProblem(t, "a viewer's key", p.v1(t, p.person(t, victor), http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"monitor:read"}}),
		http.StatusForbidden, "insufficient-scope")
}

func (p *pulse) grace(t *testing.T) {
	for _, c := range []struct {
		grace any
		both  time.Duration
	}{{nil, 72 * time.Hour}, {"72h", 72 * time.Hour}, {"1h", time.Hour}, {"7d", 7 * oneDay}} {
		old := p.reads(t)
		var body any
		if c.grace != nil {
			body = fields{"grace": c.grace}
		}
		next := keyOf(t, p.v1(t, p.owner, http.MethodPost, old.path()+"/rotate", body))
		p.wantWorks(t, "the old key", old.Secret)
		p.wantWorks(t, "its successor", next.Secret)
		if end := p.key(t, old.ID).ExpiresAt; next.Predecessor != old.ID || end == nil || end.Sub(next.CreatedAt) != c.both {
			t.Errorf("with a grace of %v the old key ends at %v; it was rotated at %s", c.grace, end, next.CreatedAt)
		}
		wantProblem(t, "fetching what was told", p.v1(t, old.Secret, http.MethodPost, old.path()+"/successor", nil), http.StatusGone, "gone")
	}
	old := p.reads(t)
	too := p.v1(t, p.owner, http.MethodPost, old.path()+"/rotate", fields{"grace": "8d"})
	if wantProblem(t, "a grace of 8 days", too, http.StatusUnprocessableEntity, "invalid"); too.wrongs() != "grace" {
		t.Errorf("a grace of 8 days: %s", too)
	}
	next := keyOf(t, p.v1(t, p.owner, http.MethodPost, old.path()+"/rotate", fields{"grace": "0s"}))
	p.wantDead(t, "a key that was rotated without a grace", old.Secret)
	p.wantWorks(t, "its successor", next.Secret)
}

// readInto reads what a call found.
func readInto(t *testing.T, a answer, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil || a.status != http.StatusOK {
		t.Fatalf("it answers %s", a)
	}
}

// seenKey is a key as its people see it, without the secret.
type seenKey struct {
	madeKey
	Successor string
}

// key is a key as its owner sees it.
func (p *pulse) key(t *testing.T, id string) seenKey {
	t.Helper()
	var k seenKey
	readInto(t, p.v1(t, p.owner, http.MethodGet, "/keys/"+id, nil), &k)
	return k
}

func (p *pulse) revoked(t *testing.T) {
	k, other := p.reads(t), p.reads(t)
	p.wantWorks(t, "the key", k.Secret)
	a := p.v1(t, p.owner, http.MethodDelete, k.path(), nil)
	if wantStatus(t, "revocation", a, http.StatusNoContent); a.body != "" {
		t.Errorf("it answers %q", a.body)
	}
	p.wantDead(t, "a revoked key", k.Secret)
	p.wantWorks(t, "another key", other.Secret)
	wantStatus(t, "revocation again", p.v1(t, p.owner, http.MethodDelete, k.path(), nil), http.StatusNoContent)
	if got := p.key(t, k.ID); got.State != "revoked" {
		t.Errorf("it is %s", got.State)
	}
	p.wantDead(t, "a key that ended itself", p.endsItself(t))
}

// endsItself is a key that was revoked with itself.
func (p *pulse) endsItself(t *testing.T) string {
	t.Helper()
	k := p.newKey(t, p.owner, fields{"scopes": []string{"monitor:read", "api-keys:write"}})
	wantStatus(t, "a key that revokes itself", p.v1(t, k.Secret, http.MethodDelete, k.path(), nil), http.StatusNoContent)
	return k.Secret
}

// exchange gets tokens under a key (RFC 8693).
func (p *product) exchange(t *testing.T, key string) answer {
	t.Helper()
	return p.server.post(t, "/oauth2/token", demoM2M, url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {key},
		"subject_token_type": {"urn:watchgate:params:oauth:token-type:api_key"}, "scope": {"monitor:read"},
	})
}

func (p *pulse) dependants(t *testing.T) {
	k, other := p.reads(t), p.reads(t)
	first, others := tokensOf(t, p.exchange(t, k.Secret)), tokensOf(t, p.exchange(t, other.Secret))
	second := tokensOf(t, p.exchange(t, k.Secret))
	fresh := tokensOf(t, p.server.refresh(t, demoM2M, first.Refresh))
	for what, access := range map[string]string{"an access token": first.Access, "one of another exchange": second.Access, "a refreshed one": fresh.Access} {
		p.wantWorks(t, what+" under the key", access)
	}
	wantStatus(t, "revocation", p.v1(t, p.owner, http.MethodDelete, k.path(), nil), http.StatusNoContent)
	for what, access := range map[string]string{"an access token": first.Access, "one of another exchange": second.Access, "a refreshed one": fresh.Access} {
		p.wantDead(t, what+" under a revoked key", access)
	}
	for what, refresh := range map[string]string{"its last refresh token": fresh.Refresh, "the refresh token of another exchange": second.Refresh} {
		if a := p.server.refresh(t, demoM2M, refresh); a.status != http.StatusBadRequest || a.text("error") != "invalid_grant" {
			t.Errorf("%s gets %s", what, a)
		}
	}
	if a := p.exchange(t, k.Secret); a.text("error") != "invalid_grant" {
		t.Errorf("exchange of a revoked key: %s", a)
	}
	p.wantWorks(t, "another key's access token", others.Access)
	p.wantWorks(t, "another key's refreshed token", tokensOf(t, p.server.refresh(t, demoM2M, others.Refresh)).Access)
}

// checks is a check runner at work.
type checks struct {
	mu    sync.Mutex
	said  bytes.Buffer
	ended chan error
	stop  context.CancelFunc
}

// Write takes what the runner says.
func (c *checks) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.Write(b)
}

func (c *checks) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.said.String()
}

// run starts the demonstration's runner with a key, and waits for its first check.
func (p *product) run(t *testing.T, key string) *checks {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	c := &checks{ended: make(chan error, 1), stop: stop}
	t.Cleanup(stop)
	r := runner.New(runner.Config{Server: p.dev.URL, API: p.dev.API, Key: key, Name: "checks", Every: 20 * time.Millisecond, Out: c})
	go func() { c.ended <- r.Run(ctx) }()
	await(t, "a check", func() bool { return strings.Contains(c.text(), "the monitoring API says 200") })
	return c
}

// wantStopped waits until the runner has stopped because its key is dead.
func (c *checks) wantStopped(t *testing.T, words string) {
	t.Helper()
	select {
	case err := <-c.ended:
		if !errors.Is(err, runner.ErrDead) || !strings.Contains(err.Error(), words) {
			t.Errorf("the runner ended with %v", err)
		}
	case <-time.After(patience):
		t.Errorf("the runner goes on:\n%s", c.text())
	}
}

// executions are the ends of what runs under a key; nil: it has none.
func (p *pulse) executions(t *testing.T, k madeKey) (ends []*time.Time) {
	t.Helper()
	var list struct {
		Items []struct {
			EndedAt *time.Time `json:"ended_at"`
		}
	}
	readInto(t, p.v1(t, p.owner, http.MethodGet, k.path()+"/executions", nil), &list)
	for _, e := range list.Items {
		ends = append(ends, e.EndedAt)
	}
	return ends
}

func (p *pulse) runners(t *testing.T) {
	k, other := p.reads(t), p.reads(t)
	one, two, others := p.run(t, k.Secret), p.run(t, k.Secret), p.run(t, other.Secret)
	if ends := p.executions(t, k); len(ends) != 2 || ends[0] != nil || ends[1] != nil {
		t.Errorf("executions of two runners: %v", ends)
	}
	wantStatus(t, "revocation", p.v1(t, p.owner, http.MethodDelete, k.path(), nil), http.StatusNoContent)
	if ends := p.executions(t, k); len(ends) != 2 || ends[0] == nil || ends[1] == nil {
		t.Errorf("when the revocation has answered, executions are %v", ends)
	}
	one.wantStopped(t, "revoked")
	two.wantStopped(t, "revoked")
	checked := func() int { return strings.Count(others.text(), "the monitoring API says 200") }
	before := checked()
	await(t, "another key's runner to go on", func() bool { return checked() > before+3 })
	if ends := p.executions(t, other); len(ends) != 1 || ends[0] != nil {
		t.Errorf("executions of another key: %v", ends)
	}
	others.stop()
	if err := <-others.ended; err != nil {
		t.Errorf("a runner that was told to stop: %v", err)
	}
	if ends := p.executions(t, other); len(ends) != 1 || ends[0] == nil {
		t.Errorf("when it has stopped by itself: %v", ends)
	}
}

func (p *pulse) addresses(t *testing.T) {
	office := p.reads(t, "allowed_ips", []string{"203.0.113.0/24", "2001:db8::/32"})
	for from, good := range map[string]bool{
		"203.0.113.7": true, "2001:db8::1": true, "::ffff:203.0.113.9": true,
		"203.0.114.7": false, "2001:db9::1": false, "127.0.0.1": false, "no address": false, "": false,
	} {
		if a := p.asked(t, office.Secret, "ip", from); a["active"] != good || !good && len(a) != 1 {
			t.Errorf("from %q: %v", from, a)
		}
	}
	if a := p.asked(t, office.Secret); a["active"] != false {
		t.Errorf("from nobody says where: %v", a)
	}
	// The demo API is called from this machine.
	for credential, status := range map[string]int{office.Secret: http.StatusUnauthorized, p.reads(t, "allowed_ips", []string{"127.0.0.1"}).Secret: http.StatusOK} {
		if got := p.opens(t, credential); got != status {
			t.Errorf("at the demo API: %d, want %d", got, status)
		}
		wantStatus(t, "at /v1", p.v1(t, credential, http.MethodGet, "/whoami", nil), status)
	}
	change := func(list any, status int) {
		t.Helper()
		wantStatus(t, "another list", p.v1(t, p.owner, http.MethodPatch, office.path(), fields{"allowed_ips": list}), http.StatusOK)
		if got := p.opens(t, office.Secret); got != status {
			t.Errorf("with the list %v: %d, want %d", list, got, status)
		}
	}
	change([]string{"127.0.0.0/8"}, http.StatusOK)
	change([]string{"198.51.100.0/24"}, http.StatusUnauthorized)
	change(nil, http.StatusOK)
	a := p.v1(t, p.owner, http.MethodPost, "/keys", fields{"name": "no", "scopes": []string{"monitor:read"}, "profile": "test", "allowed_ips": []string{"127.0.0.1"}})
	if wantProblem(t, "a list for a key to try things out", a, http.StatusUnprocessableEntity, "invalid"); a.wrongs() != "allowed_ips" {
		t.Errorf("a list for a key to try things out: %s", a)
	}
}

func (p *pulse) addressesOfTokens(t *testing.T) {
	k := p.reads(t, "allowed_ips", []string{"203.0.113.0/24"})
	if a := p.exchange(t, k.Secret); a.text("error") != "invalid_grant" {
		t.Errorf("exchange from elsewhere: %s", a)
	}
	near := p.reads(t, "allowed_ips", []string{"127.0.0.0/8"})
	had := tokensOf(t, p.exchange(t, near.Secret))
	wantStatus(t, "another list", p.v1(t, p.owner, http.MethodPatch, near.path(), fields{"allowed_ips": []string{"203.0.113.0/24"}}), http.StatusOK)
	if a := p.server.refresh(t, demoM2M, had.Refresh); a.text("error") != "invalid_grant" {
		t.Errorf("refresh from elsewhere: %s", a)
	}
}

func (p *pulse) secrets(t *testing.T) {
	made := p.v1(t, p.owner, http.MethodPost, "/keys", fields{"name": "seen nowhere", "scopes": []string{"monitor:read"}, "webhook_url": "https://hooks.acme.test/keys"})
	k, signing := keyOf(t, made), made.text("webhook_secret")
	had := tokensOf(t, p.exchange(t, k.Secret))
	next := keyOf(t, p.v1(t, p.owner, http.MethodPost, k.path()+"/rotate", nil))
	p.call(t, "", http.MethodGet, "/t/acme/monitors?key="+k.Secret, nil)
	p.server.get(t, "/v1/auth/whoami?api_key="+k.Secret)
	stored := p.stored(t)
	for what, secret := range map[string]string{"a key": k.Secret, "a successor": next.Secret, "an access token": had.Access, "a refresh token": had.Refresh, "a webhook's secret": signing} {
		if bytes.Contains(stored, []byte(secret)) || bytes.Contains(stored, []byte(secret[len(secret)-40:])) {
			t.Errorf("%s is on the disk", what)
		}
	}
	for _, found := range liveKey.FindAll(stored, -1) {
		if _, _, err := token.ParseKey(string(found)); err == nil {
			t.Error("a key is on the disk")
		}
	}
}
