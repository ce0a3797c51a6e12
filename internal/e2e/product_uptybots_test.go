package e2e

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/watchgate/watchgate/examples/monitorapi"
	"github.com/watchgate/watchgate/internal/process"
)

var (
	botKeyForm = regexp.MustCompile(`^upty_[0-9a-hjkmnp-tv-z]{16}_[0-9A-Za-z]{49}$`)
	botHint    = regexp.MustCompile(`^upty_[0-9a-hjkmnp-tv-z]{4}\*{4}$`)
)

// bots is the product with its owner, and with the demo API as it is in production:
// over TLS, and refusing what comes in the clear.
type bots struct {
	*product
	owner  string // alice's access token
	secure front  // the demo API by https
	plain  front  // the same by http
}

// newBots starts the product, or a file that is like it.
func newBots(t *testing.T, name string) *bots {
	t.Helper()
	b := &bots{product: startProduct(t, name)}
	b.owner = b.person(t, alice)
	secure, plain := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	secure.Config.Handler = b.demoAPI(t, "https://"+secure.Listener.Addr().String())
	plain.Config.Handler = b.demoAPI(t, "http://"+plain.Listener.Addr().String())
	secure.StartTLS()
	plain.Start()
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	b.secure = front{issuer: secure.URL, transport: secure.Client().Transport}
	b.plain = front{issuer: plain.URL, transport: plain.Client().Transport}
	return b
}

// demoAPI is the demonstration's resource server with HTTPS required.
func (b *bots) demoAPI(t *testing.T, base string) http.Handler {
	t.Helper()
	return must[http.Handler](t)(monitorapi.New(monitorapi.Config{
		Issuer: b.dev.URL, BaseURL: base, ResourceServerID: demoAPI.id, Secret: demoAPI.secret, RequireHTTPS: true, Now: time.Now,
		Resources: []monitorapi.Resource{
			{Name: "checks", Actions: map[string]string{"read": "checks:read", "run": "checks:run", "write": "checks:write"}},
			{Name: "alerts", Actions: map[string]string{"read": "alerts:read", "write": "alerts:write"}},
		},
		Scopes: []string{"checks:read", "checks:run", "checks:write", "alerts:read", "alerts:write"}, Log: slog.New(slog.DiscardHandler),
	}))
}

// key makes a key that reads checks.
func (b *bots) key(t *testing.T) madeKey {
	t.Helper()
	return b.newKey(t, b.owner, fields{})
}

// end revokes a key: an account has few.
func (b *bots) end(t *testing.T, k madeKey) {
	t.Helper()
	wantStatus(t, "revocation", b.v1(t, b.owner, http.MethodDelete, k.path(), nil), http.StatusNoContent)
}

// by calls the demo API over TLS with headers, given as name and value in turn.
func (b *bots) by(t *testing.T, headers ...string) answer {
	t.Helper()
	return b.secure.get(t, "/t/acme/checks", headers...)
}

func TestProductUptybots(t *testing.T) {
	b := newBots(t, "uptybots")
	t.Run("keys are upty_, and all different", b.form)
	t.Run("a key is shown once", b.shownOnce)
	t.Run("keys are listed by name, as upty_a1b2****", b.list)
	t.Run("at most 10 for an account", b.most)
	t.Run("at most 10 of 20 at once", b.race)
	t.Run("X-API-Key or Bearer", b.headers)
	t.Run("what the key may do", b.scopes)
	t.Run("a rate limit for each key", b.rate)
	t.Run("HTTPS only", b.https)
	t.Run("revocation without any grace", b.noGrace)
	t.Run("of a key only its SHA-256 is stored", b.storedHash)
}

func (b *bots) form(t *testing.T) {
	seen := map[string]bool{}
	for range 8 {
		k := b.key(t)
		_, secret, _ := strings.Cut(k.Secret[len("upty_"):], "_")
		if !botKeyForm.MatchString(k.Secret) || seen[secret[:43]] || k.ExpiresAt != nil || k.Profile != "bot" || !slices.Equal(k.Scopes, []string{"checks:read"}) {
			t.Errorf("a key of %d characters, %+v", len(k.Secret), madeKey{Hint: k.Hint, Profile: k.Profile, Scopes: k.Scopes, ExpiresAt: k.ExpiresAt})
		}
		seen[secret[:43]] = true
		wantStatus(t, "the key", b.by(t, bearer(k.Secret)...), http.StatusOK)
		b.end(t, k)
	}
	// Of 344 characters each of 62 is there, unless the generator is a poor one: that
	// one is missing has a chance of 1 in 4. That a third is missing has none.
	var all strings.Builder
	for s := range seen {
		all.WriteString(s)
	}
	distinct := map[rune]bool{}
	for _, c := range all.String() {
		distinct[c] = true
	}
	if len(distinct) < 42 {
		t.Errorf("%d characters of secrets have only %d different ones", all.Len(), len(distinct))
	}
}

func (b *bots) shownOnce(t *testing.T) {
	k := b.key(t)
	defer b.end(t, k)
	for what, a := range map[string]answer{
		"its own page":   b.v1(t, b.owner, http.MethodGet, k.path(), nil),
		"the list":       b.v1(t, b.owner, http.MethodGet, "/keys?limit=100&state=all", nil),
		"a change":       b.v1(t, b.owner, http.MethodPatch, k.path(), fields{"name": "renamed"}),
		"its use":        b.v1(t, b.owner, http.MethodGet, k.path()+"/usage", nil),
		"its executions": b.v1(t, b.owner, http.MethodGet, k.path()+"/executions", nil),
	} {
		if a.status != http.StatusOK || strings.Contains(a.body, `"secret"`) || strings.Contains(a.body, k.Secret[len(k.Secret)-49:]) {
			t.Errorf("%s: %d, or with the secret", what, a.status)
		}
	}
	wantProblem(t, "reveal", b.v1(t, b.owner, http.MethodPost, k.path()+"/reveal", nil), http.StatusForbidden, "not-allowed")
}

func (b *bots) list(t *testing.T) {
	k := b.newKey(t, b.owner, fields{"name": "Slack, #on-call"})
	defer b.end(t, k)
	keys := b.listed(t, b.owner, "")
	if len(keys) != 1 || keys[0].Name != "Slack, #on-call" || !botHint.MatchString(keys[0].Hint) || keys[0].Hint != k.Secret[:9]+"****" {
		t.Errorf("listed as %+v", keys)
	}
}

func (b *bots) most(t *testing.T) {
	var made []madeKey
	for range 10 {
		made = append(made, b.key(t))
	}
	wantProblem(t, "the eleventh", b.v1(t, b.owner, http.MethodPost, "/keys", fields{"name": "the eleventh"}), http.StatusConflict, "too-many-keys")
	if keys := b.listed(t, b.owner, "?owner=me&limit=100"); len(keys) != 10 {
		t.Errorf("%d keys", len(keys))
	}
	bobs := b.person(t, bob)
	others := b.newKey(t, bobs, fields{})
	wantStatus(t, "the key of somebody else", b.by(t, bearer(others.Secret)...), http.StatusOK)
	next := keyOf(t, b.v1(t, b.owner, http.MethodPost, made[0].path()+"/rotate", nil)) // takes no other place
	made[0] = next
	wantProblem(t, "the eleventh", b.v1(t, b.owner, http.MethodPost, "/keys", fields{"name": "the eleventh"}), http.StatusConflict, "too-many-keys")
	b.end(t, made[0])
	made[0] = b.key(t)
	for _, k := range made {
		wantStatus(t, "each of them", b.by(t, bearer(k.Secret)...), http.StatusOK)
		b.end(t, k)
	}
	wantStatus(t, "revocation", b.v1(t, bobs, http.MethodDelete, others.path(), nil), http.StatusNoContent)
}

// race makes 20 keys at once.
func (b *bots) race(t *testing.T) {
	var all sync.WaitGroup
	answers, start := make([]answer, 20), make(chan struct{})
	for i := range answers {
		all.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.server.issuer+"/v1/auth/keys", strings.NewReader(fmt.Sprintf(`{"name":"racer %d"}`, i)))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+b.owner)
			<-start
			if answers[i], err = b.server.send(req); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	all.Wait()
	var made []madeKey
	for _, a := range answers {
		if a.status == http.StatusCreated {
			made = append(made, keyOf(t, a))
			continue
		}
		wantProblem(t, "one too many", a, http.StatusConflict, "too-many-keys")
	}
	if live := b.listed(t, b.owner, "?owner=me&limit=100"); len(made) != 10 || len(live) != 10 {
		t.Errorf("of 20 at once %d were made; %d are live", len(made), len(live))
	}
	for _, k := range made {
		wantStatus(t, "each of them", b.by(t, bearer(k.Secret)...), http.StatusOK)
		b.end(t, k)
	}
}

func (b *bots) headers(t *testing.T) {
	k := b.key(t)
	defer b.end(t, k)
	for what, c := range map[string]struct {
		path    string
		headers []string
		status  int
	}{
		"Bearer":              {"", []string{"Authorization", "Bearer " + k.Secret}, http.StatusOK},
		"X-API-Key":           {"", []string{"X-API-Key", k.Secret}, http.StatusOK},
		"x-api-key":           {"", []string{"x-api-key", k.Secret}, http.StatusOK},
		"neither":             {"", nil, http.StatusUnauthorized},
		"both":                {"", []string{"X-API-Key", k.Secret, "Authorization", "Bearer " + k.Secret}, http.StatusBadRequest},
		"two of one":          {"", []string{"X-API-Key", k.Secret, "X-API-Key", k.Secret}, http.StatusBadRequest},
		"in the query":        {"?api_key=" + k.Secret, nil, http.StatusBadRequest},
		"anyhow in the query": {"?q=" + k.Secret, []string{"X-API-Key", k.Secret}, http.StatusBadRequest},
		"in a cookie":         {"", []string{"Cookie", "api_key=" + k.Secret}, http.StatusBadRequest},
		"as a password":       {"", []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte("key:"+k.Secret))}, http.StatusUnauthorized},
	} {
		a := b.secure.get(t, "/t/acme/checks"+c.path, c.headers...)
		if wantStatus(t, what, a, c.status); strings.Contains(a.body, k.Secret) {
			t.Errorf("%s: the key is repeated", what)
		}
	}
}

func (b *bots) scopes(t *testing.T) {
	k := b.newKey(t, b.owner, fields{"scopes": []string{"checks:write", "checks:run"}})
	defer b.end(t, k)
	made := b.secure.do(t, http.MethodPost, "/t/acme/checks", fields{"name": "ping"}, "X-API-Key", k.Secret)
	wantStatus(t, "a new check", made, http.StatusCreated)
	wantStatus(t, "its run", b.secure.do(t, http.MethodPost, "/t/acme/checks/"+made.text("id")+"/run", nil, "X-API-Key", k.Secret), http.StatusAccepted)
	wantStatus(t, "a look at it", b.by(t, "X-API-Key", k.Secret), http.StatusForbidden)
	wantStatus(t, "an alert", b.secure.do(t, http.MethodPost, "/t/acme/alerts", fields{"name": "down"}, "X-API-Key", k.Secret), http.StatusForbidden)
	wantStatus(t, "another account's checks", b.secure.get(t, "/t/globex/checks", "X-API-Key", k.Secret), http.StatusNotFound)
}

// The profile's rate: 120 in a minute, 30 of them at once. A key gets one more in half
// a second.
func (b *bots) rate(t *testing.T) {
	k, other := b.key(t), b.key(t)
	defer b.end(t, k)
	defer b.end(t, other)
	var a answer
	calls := 0
	for a = b.by(t, "X-API-Key", k.Secret); a.status == http.StatusOK && calls < 1000; a = b.by(t, "X-API-Key", k.Secret) {
		calls++
	}
	if calls < 30 {
		t.Errorf("%d calls at once", calls)
	}
	wantOverRate(t, "at the demo API", a, `"key";q=30;w=15`)
	wantStatus(t, "another key", b.by(t, "X-API-Key", other.Secret), http.StatusOK)
	await(t, "the key to work again", func() bool { return b.by(t, "X-API-Key", k.Secret).status == http.StatusOK })
}

// wantOverRate checks an answer of 429 with all that it has to say.
func wantOverRate(t *testing.T, what string, a answer, policy string) {
	t.Helper()
	var left, wait, retry int
	_, err := fmt.Sscanf(a.header.Get("RateLimit"), `"key";r=%d;t=%d`, &left, &wait)
	_, errRetry := fmt.Sscanf(a.header.Get("Retry-After"), "%d", &retry)
	if a.status != http.StatusTooManyRequests || a.text("error") != "slow_down" || a.header.Get("RateLimit-Policy") != policy || err != nil || errRetry != nil || left != 0 || wait < 1 || retry < 1 {
		t.Errorf("%s: %s; RateLimit-Policy %s, RateLimit %s, Retry-After %s", what, a, a.header.Get("RateLimit-Policy"), a.header.Get("RateLimit"), a.header.Get("Retry-After"))
	}
}

func (b *bots) https(t *testing.T) {
	k := b.key(t)
	defer b.end(t, k)
	wantStatus(t, "over TLS", b.by(t, "X-API-Key", k.Secret), http.StatusOK)
	for what, headers := range map[string][]string{
		"with a key":                  {"X-API-Key", k.Secret},
		"as Bearer":                   bearer(k.Secret),
		"with a client's word for it": {"X-API-Key", k.Secret, "X-Forwarded-Proto", "https", "Forwarded", "proto=https"},
		"without a key":               nil,
	} {
		for where, api := range map[string]front{"an API that requires https": b.plain, "one that does not": b.api} {
			a := api.get(t, "/t/acme/checks", headers...)
			if a.status/100 == 2 || a.status/100 == 3 || a.header.Get("Location") != "" {
				t.Errorf("plain HTTP %s at %s gets %s", what, where, a)
			}
		}
		if a := b.plain.get(t, "/t/acme/checks", headers...); a.status != http.StatusForbidden || a.text("error") != "https_required" {
			t.Errorf("plain HTTP %s gets %s", what, a)
		}
	}
	if a := b.v1(t, k.Secret, http.MethodGet, "/whoami", nil); a.status != http.StatusUnauthorized {
		t.Errorf("at /v1 by plain HTTP: %s", a)
	}
	for proto, good := range map[string]bool{"https": true, "HTTPS": true, "http": false, "": false, "wss": false} {
		if a := b.asked(t, k.Secret, "proto", proto); a["active"] != good || !good && len(a) != 1 {
			t.Errorf("with proto=%s: %v", proto, a)
		}
	}
	if a := b.asked(t, k.Secret); a["active"] != false {
		t.Errorf("when nobody says how it came: %v", a)
	}
}

func (b *bots) noGrace(t *testing.T) {
	old := b.key(t)
	for _, grace := range []string{"1s", "72h"} {
		a := b.v1(t, b.owner, http.MethodPost, old.path()+"/rotate", fields{"grace": grace})
		if wantProblem(t, "a grace of "+grace, a, http.StatusUnprocessableEntity, "invalid"); a.wrongs() != "grace" {
			t.Errorf("a grace of %s: %s", grace, a)
		}
	}
	wantStatus(t, "the old key", b.by(t, "X-API-Key", old.Secret), http.StatusOK)
	next := keyOf(t, b.v1(t, b.owner, http.MethodPost, old.path()+"/rotate", nil))
	b.wantGone(t, "a replaced key", old)
	wantStatus(t, "its successor", b.by(t, "X-API-Key", next.Secret), http.StatusOK)
	if a := b.v1(t, b.owner, http.MethodDelete, next.path()+"?grace=72h", nil); a.status == http.StatusNoContent {
		t.Error("a revocation with a grace is heard")
	}
	b.end(t, next)
	b.wantGone(t, "a revoked key", next)
	b.end(t, next)
	b.wantGone(t, "a key that was revoked twice", next)
}

func (b *bots) wantGone(t *testing.T, what string, k madeKey) {
	t.Helper()
	wantStatus(t, what, b.by(t, "X-API-Key", k.Secret), http.StatusUnauthorized)
	if a := b.server.introspect(t, demoAPI, k.Secret, "proto", "https"); a.body != inactive {
		t.Errorf("about %s introspection says %s", what, a)
	}
}

// storedHash looks at what is on the disk of a key that was made, used, used in wrong
// ways, asked for twice, and replaced.
func (b *bots) storedHash(t *testing.T) {
	again := append(bearer(b.owner), "Idempotency-Key", "one-and-the-same")
	k := keyOf(t, b.server.do(t, http.MethodPost, "/v1/auth/keys", fields{"name": "kept nowhere"}, again...))
	if same := keyOf(t, b.server.do(t, http.MethodPost, "/v1/auth/keys", fields{"name": "kept nowhere"}, again...)); same.Secret != k.Secret {
		t.Error("the same request made another key")
	}
	b.by(t, "X-API-Key", k.Secret)
	b.server.get(t, "/v1/auth/whoami?key="+k.Secret)
	b.server.get(t, "/nothing/"+k.Secret)
	b.api.get(t, "/t/acme/checks", "X-API-Key", k.Secret)
	next := keyOf(t, b.v1(t, b.owner, http.MethodPost, k.path()+"/rotate", nil))

	disk := b.stored(t)
	row := b.row(t, k.ID)
	sum := sha256.Sum256([]byte(k.Secret))
	if !bytes.Equal(row["hash"], sum[:]) {
		t.Error("the stored hash is not the key's SHA-256")
	}
	for _, key := range []madeKey{k, next} {
		for what, part := range secretParts(key.Secret) {
			for column, value := range row {
				if bytes.Contains(value, part) {
					t.Errorf("the column %s has %s", column, what)
				}
			}
			if bytes.Contains(disk, part) {
				t.Errorf("the disk has %s", what)
			}
		}
	}
	if !bytes.Contains(disk, []byte(k.Hint)) || !bytes.Contains(disk, sum[:]) {
		t.Error("the disk has not even what it may have")
	}
}

// secretParts are the ways in which a key could be stored.
func secretParts(key string) map[string][]byte {
	secret := key[len(key)-49:]
	parts := map[string][]byte{}
	for what, text := range map[string]string{"the key": key, "its secret": secret, "the first half of its secret": secret[:24], "the second half of its secret": secret[24:]} {
		parts[what] = []byte(text)
		parts[what+" in hex"] = []byte(hex.EncodeToString([]byte(text)))
		parts[what+" in base64"] = []byte(strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(text)), "=")[:20])
		reversed := []byte(text)
		slices.Reverse(reversed)
		parts[what+" backwards"] = reversed
	}
	return parts
}

// row is everything that is stored in a key's row, after the product was stopped.
func (b *bots) row(t *testing.T, id string) map[string][]byte {
	t.Helper()
	db := must[*sql.DB](t)(sql.Open("sqlite", filepath.Join(b.dev.Dir, "watchgate.db")))
	defer db.Close()
	rows := must[*sql.Rows](t)(db.QueryContext(t.Context(), "SELECT * FROM api_keys WHERE id = ?", id))
	defer rows.Close()
	columns := must[[]string](t)(rows.Columns())
	values, into := make([][]byte, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	if !rows.Next() {
		t.Fatalf("no row of %s: %v", id, rows.Err())
	}
	noError(t, rows.Scan(into...))
	out := map[string][]byte{}
	for i, c := range columns {
		out[c] = values[i]
	}
	return out
}

// TestProductUptybotsCounts has the product with a rate that does not come back while
// a test runs, so that every number is exact.
func TestProductUptybotsCounts(t *testing.T) {
	b := newBots(t, profileWith(t, "uptybots", "rate: {requests: 120, per: 1m, burst: 30}", "rate: {requests: 30, per: 1d, burst: 30}"))
	const policy = `"key";q=30;w=86400`
	atAPI, asked, idle := b.key(t), b.key(t), b.key(t)
	for n := range 33 {
		a := b.by(t, "X-API-Key", atAPI.Secret)
		q := b.server.introspect(t, demoAPI, asked.Secret, "tenant", "acme", "ip", "203.0.113.7", "proto", "https")
		if n < 30 {
			wantStatus(t, "the demo API within the rate", a, http.StatusOK)
			if q.status != http.StatusOK || q.json(t)["active"] != true {
				t.Errorf("introspection within the rate: %s", q)
			}
			continue
		}
		wantOverRate(t, "the demo API over the rate", a, policy)
		wantOverRate(t, "introspection over the rate", q, policy)
	}
	// What is refused before takes nothing from the rate, and is counted.
	for range 4 {
		b.asked(t, idle.Secret, "proto", "http")
	}
	wantStatus(t, "a third key", b.by(t, "X-API-Key", idle.Secret), http.StatusOK)
	if a := b.server.introspect(t, demoAPI, idle.Secret, "proto", "https"); a.json(t)["active"] != true {
		t.Errorf("a third key: %s", a)
	}
	for _, c := range []struct {
		key            madeKey
		calls, refused int64
		why            string
		address        string
	}{{atAPI, 30, 3, "rate", "127.0.0.1"}, {asked, 30, 3, "rate", "203.0.113.7"}, {idle, 2, 4, "plain_http", "127.0.0.1"}} {
		b.wantUsage(t, c.key, c.calls, c.refused, c.why, c.address)
	}
}

// wantUsage waits for the counters of a key, which are a little late, and checks that
// they are exact.
func (b *bots) wantUsage(t *testing.T, k madeKey, calls, refused int64, why, address string) {
	t.Helper()
	type count struct {
		What  string
		Calls int64
	}
	var u struct {
		Calls, Refused      int64
		Addresses, Refusals []count
		Days                []struct{ Calls, Refused int64 }
		LastUsedAt          *time.Time `json:"last_used_at"`
	}
	await(t, "the counters of "+k.Hint, func() bool {
		u.Addresses, u.Refusals, u.Days = nil, nil, nil
		readInto(t, b.v1(t, b.owner, http.MethodGet, k.path()+"/usage", nil), &u)
		return u.Calls+u.Refused >= calls+refused
	})
	var days int64
	for _, d := range u.Days {
		days += d.Calls + d.Refused
	}
	if u.Calls != calls || u.Refused != refused || days != calls+refused || u.LastUsedAt == nil ||
		!slices.Equal(u.Refusals, []count{{why, refused}}) || !slices.ContainsFunc(u.Addresses, func(c count) bool { return c.What == address }) {
		t.Errorf("%d calls and %d refused (%s) are counted as %+v", calls, refused, why, u)
	}
}

// TestProductKeysAreFoundWhereTheyLeaked is about what is around the keys of every
// product: the description of the API, the endpoint for reports of leaks, and the
// scanner.
func TestProductKeysAreFoundWhereTheyLeaked(t *testing.T) {
	p := startProduct(t, "uptybots")
	owner := p.person(t, alice)
	k := p.newKey(t, owner, fields{"name": "leaked"})
	t.Run("the API describes itself", p.describesItself)
	t.Run("reports without a signature of GitHub's are refused", func(t *testing.T) { p.unsignedReport(t, owner, k) })
	t.Run("watchgate scan finds it", func(t *testing.T) { p.scanned(t, k, owner) })
}

func (p *product) describesItself(t *testing.T) {
	a := p.server.get(t, "/v1/openapi.json")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	readInto(t, a, &doc)
	if doc.OpenAPI != "3.1.0" || !strings.HasPrefix(a.header.Get("Content-Type"), "application/") {
		t.Errorf("OpenAPI %s as %s", doc.OpenAPI, a.header.Get("Content-Type"))
	}
	page := p.server.get(t, "/v1/docs")
	if page.status != http.StatusOK || !strings.HasPrefix(page.header.Get("Content-Type"), "text/html") {
		t.Errorf("/v1/docs: %d as %s", page.status, page.header.Get("Content-Type"))
	}
	for path, methods := range map[string][]string{
		"/v1/auth/keys":                             {"get", "post"},
		"/v1/auth/keys/{id}":                        {"get", "patch", "delete"},
		"/v1/auth/keys/{id}/rotate":                 {"post"},
		"/v1/auth/keys/{id}/reveal":                 {"post"},
		"/v1/auth/keys/{id}/successor":              {"post"},
		"/v1/auth/keys/{id}/usage":                  {"get"},
		"/v1/auth/keys/{id}/events":                 {"get"},
		"/v1/auth/keys/{id}/executions":             {"get", "post"},
		"/v1/auth/keys/{id}/executions/{execution}": {"delete"},
		"/v1/auth/whoami":                           {"get"},
	} {
		for _, m := range methods {
			if doc.Paths[path][m] == nil {
				t.Errorf("openapi.json knows no %s %s", m, path)
			}
		}
		if !strings.Contains(page.body, path) {
			t.Errorf("/v1/docs says nothing of %s", path)
		}
	}
	if outside := regexp.MustCompile(`(?i)<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(?:https?:)?//`).FindString(page.body); outside != "" {
		t.Errorf("/v1/docs loads from elsewhere: %s", outside)
	}
}

func (p *product) unsignedReport(t *testing.T, owner string, k madeKey) {
	report := []fields{{"token": k.Secret, "type": "watchgate_key", "url": "https://github.com/acme/x/blob/main/.env", "source": "content"}}
	for what, headers := range map[string][]string{
		"no signature": nil,
		"half of one":  {"Github-Public-Key-Identifier", "0123"},
		"no base64":    {"Github-Public-Key-Identifier", "0123", "Github-Public-Key-Signature", "!"},
	} {
		a := p.server.do(t, http.MethodPost, "/leaks/github", report, headers...)
		if a.status != http.StatusUnauthorized || strings.Contains(a.body, k.Secret) {
			t.Errorf("%s: %d", what, a.status)
		}
	}
	wantStatus(t, "GET", p.server.get(t, "/leaks/github"), http.StatusMethodNotAllowed)
	if got := p.v1(t, owner, http.MethodGet, k.path(), nil); got.text("state") != "live" {
		t.Errorf("a report that anybody can make takes a key out of use: %s", got)
	}
}

func (p *product) scanned(t *testing.T, k madeKey, access string) {
	dir := t.TempDir()
	noError(t, os.WriteFile(filepath.Join(dir, "deploy.sh"), []byte("#!/bin/sh\nexport UPTY_KEY="+k.Secret+" # production\n"), 0o600))
	noError(t, os.WriteFile(filepath.Join(dir, "curl.log"), []byte("> Authorization: Bearer "+access+"\n"), 0o600))
	noError(t, os.WriteFile(filepath.Join(dir, "docs.md"), []byte("A key looks like upty_0123456789abcdef_"+strings.Repeat("x", 49)+".\n"), 0o600))
	for _, flags := range [][]string{nil, {"--json"}} {
		out, err := process.Run(t.Context(), nil, append([]string{"scan", dir}, flags...)...)
		if err == nil {
			t.Error("a tree with a key in it is clean")
		}
		if strings.Contains(out, k.Secret) || strings.Contains(out, k.Secret[len(k.Secret)-49:]) || strings.Contains(out, access) {
			t.Error("the scanner prints what it finds")
		}
		if !strings.Contains(out, "deploy.sh") || !strings.Contains(out, k.Hint) || !strings.Contains(out, "curl.log") || strings.Contains(out, "docs.md") {
			t.Errorf("it says:\n%s", out)
		}
	}
	if out := must[string](t)(process.Run(t.Context(), nil, "scan", filepath.Join(dir, "docs.md"))); strings.Contains(out, "upty_") {
		t.Errorf("of a tree without keys it says:\n%s", out)
	}
	noError(t, os.Remove(filepath.Join(dir, "docs.md")))
	// Neither the database nor the log has one.
	p.stop(t)
	if out, err := process.Run(t.Context(), nil, "scan", p.dev.Dir); err != nil {
		t.Errorf("the data folder: %s", out)
	}
}
