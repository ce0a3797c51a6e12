package introspect_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

func TestForwardAuthSaysWhichKeyItIs(t *testing.T) {
	w := keyWorld(t)
	for name, c := range map[string]struct {
		change  func(*storage.APIKey)
		expires string
	}{
		"for ever": {func(*storage.APIKey) {}, ""},
		"an hour":  {func(k *storage.APIKey) { k.ExpiresAt = start.Add(time.Hour) }, unix(start.Add(time.Hour))},
	} {
		s := w.key(c.change)
		id := string(w.stored(s).ID)
		want := map[string]string{
			"Subject": string(w.alice.ID), "Username": "alice@acme.test", "Client": "", "Tenant": "acme", "Tenant-Id": string(w.acme.ID),
			"Scope": "monitor:read alert:write", "Token-Id": id, "Expires": c.expires, "Key-Id": id,
		}
		for header, rec := range map[string]*httptest.ResponseRecorder{
			"Bearer":    w.forward(acmeReads, s),
			"X-API-Key": w.forward(acmeReads, "", "X-Api-Key", s),
		} {
			expectForward(t, name+" in "+header, rec, 200, "")
			if d := cmp.Diff(want, identity(rec.Header())); d != "" {
				t.Errorf("%s in %s: %s", name, header, d)
			}
		}
	}
	expectForward(t, "no key", w.forward(acmeReads, "", "X-Api-Key", "garbage"), 401, badToken)
	expectForward(t, "another tenant", w.forward("/forward-auth?tenant=globex", "", "X-Api-Key", w.key()), 401, badToken)
}

// AK-08, attack 107: one credential, in one header. What is anywhere else is not
// looked at, and takes nothing from the key's rate.
func TestAttackForwardAuthKeyTwiceOrInAnotherPlace(t *testing.T) {
	w := keyWorld(t)
	slow := w.key(func(k *storage.APIKey) { k.Profile = "slow" })
	good, below := w.issue(plain), []string{"X-Watchgate-Require-Tenant", "acme"}
	for name, c := range map[string]struct {
		target, credential string
		headers            []string
	}{
		"token and key":                 {acmeReads, good, []string{"X-Api-Key", slow}},
		"the same key twice":            {acmeReads, slow, []string{"X-Api-Key", slow}},
		"two key headers":               {acmeReads, "", []string{"X-Api-Key", slow, "X-Api-Key", "x"}},
		"a key and Basic":               {acmeReads, "", []string{"X-Api-Key", slow, "Authorization", "Basic eDp5"}},
		"in the address below":          {"/forward-auth/x?key=" + slow, "", below},
		"in the address, beside one":    {"/forward-auth/x?q=" + slow, good, below},
		"escaped":                       {"/forward-auth/x?q=" + strings.Replace(slow, "_", "%5F", 1), good, below},
		"after a semicolon":             {"/forward-auth/x?a=b;q=" + slow, good, below},
		"in the proxy's word for it":    {acmeReads, good, []string{"X-Forwarded-Uri", "/t/acme/monitors?token=" + slow}},
		"in a cookie":                   {acmeReads, "", []string{"Cookie", "a=b; sid=" + slow}},
		"in a cookie, beside one":       {acmeReads, good, []string{"Cookie", "api_key=" + slow}},
		"an access token in an address": {"/forward-auth/x?q=" + good, good, below},
	} {
		rec := w.forward(c.target, c.credential, c.headers...)
		expectForward(t, name, rec, 400, invalidRequest)
		if strings.Contains(rec.Body.String(), slow) || strings.Contains(w.log.String(), slow) {
			t.Errorf("%s: the key is repeated", name)
		}
	}
	for n := range 3 { // its rate is whole
		if rec := w.forward(acmeReads, slow); (rec.Code == 200) != (n < 2) {
			t.Errorf("use %d: %d", n, rec.Code)
		}
	}
	// A proxy can send a header on that is empty.
	expectForward(t, "an empty key", w.forward(acmeReads, good, "X-Api-Key", ""), 200, "")
}

// A key over its rate is its user's doing, and not the proxy's.
func TestForwardAuthOfAKeyOverItsRate(t *testing.T) {
	w := newWorld(t)
	cfg, _ := w.withKeys(nil)
	cfg.Limits = introspect.Limits{PerSecond: 4}
	w.remember(cfg)
	slow := w.key(func(k *storage.APIKey) { k.Profile = "slow" })
	for range 2 {
		expectForward(t, "within", w.forward(acmeReads, slow), 200, "")
	}
	rec := w.forward(acmeReads, slow)
	h := rec.Header()
	if rec.Code != 429 || h.Get("RateLimit-Policy") != `"key";q=2;w=3600` || !strings.HasPrefix(h.Get("RateLimit"), `"key";r=0;t=`) || h.Get("Retry-After") == "" {
		t.Errorf("%d %v", rec.Code, h)
	}
	expectForward(t, "a proxy with a mistake", w.forward(acmeReads+"&tennant=acme", slow), 500, "")
	for range 3 {
		rec = w.forward(acmeReads, w.issue(plain))
	}
	if rec.Code != 503 || rec.Header().Get("Retry-After") == "" {
		t.Errorf("the proxy's own quota: %d %v", rec.Code, rec.Header())
	}
}

// Where a request came from is what the proxy's configuration says, or what a trusted
// proxy's headers say.
func TestForwardAuthOfAKeyBoundToWhereItComesFrom(t *testing.T) {
	w := keyWorld(t)
	office := w.key(func(k *storage.APIKey) { k.AllowedIPs = []string{"203.0.113.0/24", "2001:db8::/32"} })
	secure := w.key(func(k *storage.APIKey) { k.Profile = "https" })
	// The proxy is at httptest's address.
	proxys := w.key(func(k *storage.APIKey) { k.AllowedIPs = []string{"192.0.2.1/32"} })
	forwardedFor := func(all string) []string { return []string{"X-Forwarded-For", all} }
	for name, c := range map[string]struct {
		key, more string
		headers   []string
		trusted   int
		good      bool
	}{
		"query":                              {office, "&ip=203.0.113.7", nil, 0, true},
		"query, IPv6":                        {office, "&ip=" + url.QueryEscape("2001:db8::1"), nil, 0, true},
		"query, mapped":                      {office, "&ip=" + url.QueryEscape("::ffff:203.0.113.7"), nil, 0, true},
		"query says another":                 {office, "&ip=198.51.100.7", forwardedFor("203.0.113.7"), 1, false},
		"query says none":                    {office, "&ip=", forwardedFor("203.0.113.7"), 1, false},
		"query says two":                     {office, "&ip=203.0.113.7&ip=198.51.100.7", nil, 0, false},
		"query says a name":                  {office, "&ip=unix:", nil, 0, false},
		"nobody says":                        {office, "", nil, 0, false},
		"header of a proxy that is trusted":  {office, "", forwardedFor("203.0.113.7"), 1, true},
		"header of one that is not":          {office, "", forwardedFor("203.0.113.7"), 0, false},
		"attack: the client's own header":    {office, "", forwardedFor("203.0.113.7, 198.51.100.7"), 1, false},
		"another header":                     {office, "", []string{"X-Real-Ip", "203.0.113.7", "Forwarded", "for=203.0.113.7"}, 1, false},
		"the proxy's own is not its clients": {proxys, "", nil, 0, false},
		"nor where a client says another":    {proxys, "", forwardedFor("203.0.113.7"), 0, false},
		"a client beside the proxy":          {proxys, "", forwardedFor("192.0.2.1"), 1, true},
		"https":                              {secure, "&proto=https", nil, 0, true},
		"https by header":                    {secure, "", []string{"X-Forwarded-Proto", "https"}, 0, true},
		"http":                               {secure, "&proto=http", []string{"X-Forwarded-Proto", "https"}, 0, false},
		"blank":                              {secure, "&proto=", []string{"X-Forwarded-Proto", "https"}, 0, false},
		"both by header":                     {secure, "", []string{"X-Forwarded-Proto", "http", "X-Forwarded-Proto", "https"}, 0, false},
		"not told":                           {secure, "", nil, 0, false},
	} {
		w.mux = web.NewMux(web.Config{Log: w.logger(), TrustedProxies: c.trusted})
		w.server.Mount(w.mux)
		want, challenge := 401, badToken
		if c.good {
			want, challenge = 200, ""
		}
		expectForward(t, name, w.forward(acmeReads+c.more, c.key, c.headers...), want, challenge)
	}
}

// Below the path, the query is the client's.
func TestAttackForwardAuthClientSaysWhereItIs(t *testing.T) {
	w := keyWorld(t)
	office := w.key(func(k *storage.APIKey) { k.AllowedIPs = []string{"203.0.113.0/24"} })
	secure := w.key(func(k *storage.APIKey) { k.Profile = "https" })
	for _, s := range []string{office, secure} {
		expectForward(t, "below", w.forward("/forward-auth/x?ip=203.0.113.7&proto=https", s, "X-Watchgate-Require-Tenant", "acme"), 401, badToken)
	}
}
