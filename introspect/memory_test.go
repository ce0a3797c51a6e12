package introspect

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

// codeFlow is a live token that came through a code, hangs on everything that a
// token can hang on, and shares none of it with another but the tenant.
func codeFlow(n int) *storage.LiveToken {
	var ref storage.TokenRef
	ref.Hash = [32]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
	return &storage.LiveToken{
		AccessToken: storage.AccessToken{
			Ref: ref, ID: storage.NewTokenID(today), Client: "demo-spa", User: storage.NewUserID(today), Connection: storage.NewConnectionID(today),
			Session: storage.NewSessionID(today), Grant: storage.NewGrantID(today), Scopes: []string{"monitor:read", "alert:write"},
			Auth: storage.Authentication{AuthTime: today, ACR: "mfa", AMR: []string{"pwd", "otp"}}, IssuedAt: today, ExpiresAt: today.Add(time.Hour),
		},
		Life:     storage.Life{TenantID: tenantID, TenantSlug: "acme"},
		UserInfo: storage.User{Email: fmt.Sprintf("somebody%07d@acme.test", n)},
	}
}

var tenantID = storage.NewTenantID(today)

// packed is what is remembered of a token.
func (s *Server) packed(t testing.TB, found *storage.LiveToken) entry {
	c := s.ofToken(found)
	answer, err := encode(s.describe(demoAPI(), c, found.Scopes))
	on, ok := s.memory.on(c)
	e := entry{packed: live{
		mark: 1 << 40, until: c.until(), on: on, tenant: found.Life.TenantID, slug: found.Life.TenantSlug, answer: answer,
	}.pack()}
	if err != nil || !ok || e.none() {
		t.Fatal("not packed", err)
	}
	return e
}

func TestEntryGivesBackWhatWasPacked(t *testing.T) {
	s := New(Config{Issuer: "https://auth.example.com"})
	found := codeFlow(1)
	answer, err := encode(s.describe(demoAPI(), s.ofToken(found), found.Scopes))
	if err != nil {
		t.Fatal(err)
	}
	e := s.packed(t, found).packed
	id, slug := e.tenant()
	if string(e.answer()) != string(answer) || string(id) != string(tenantID) || string(slug) != "acme" {
		t.Errorf("%s %s %s", e.answer(), id, slug)
	}
	if e.mark() != 1<<40 || e.until() != today.Add(time.Hour).UnixMilli() {
		t.Errorf("mark %d, until %d", e.mark(), e.until())
	}
	on, _ := s.memory.on(s.ofToken(found))
	if d := cmp.Diff(on, e.cells()); d != "" {
		t.Error(d)
	}
	for tenant, want := range map[string]bool{"acme": true, string(tenantID): true, "": false, "acm": false, "acme\"": false, "globex": false} {
		if e.is(tenant) != want {
			t.Errorf("%q: %v", tenant, !want)
		}
	}
}

// What does not fit is not remembered, and so is what does not say its tenant.
func TestEntryThatDoesNotFit(t *testing.T) {
	long := string(make([]byte, 300))
	good := live{tenant: "ten_1", slug: "acme", answer: []byte(`{"tenant_id":"ten_1","tenant":"acme"}`)}
	if good.pack() == nil {
		t.Fatal("not packed")
	}
	for name, change := range map[string]func(*live){
		"another tenant": func(l *live) { l.tenant = "ten_2" },
		"another slug":   func(l *live) { l.slug = "acm" },
		"long slug":      func(l *live) { l.slug, l.answer = long, []byte(`{"tenant_id":"ten_1","tenant":"`+long+`"}`) },
		"far away":       func(l *live) { l.answer = append(make([]byte, 1<<16), l.answer...) },
		"a cell of more": func(l *live) { l.on[7] = 1 << 24 },
		"no answer":      func(l *live) { l.answer = nil },
	} {
		l := good
		change(&l)
		if l.pack() != nil {
			t.Errorf("%s: packed", name)
		}
	}
}

// An entry hangs on all that can kill its token, and what it does not have changes
// nothing.
func TestEntryHangsOnEverything(t *testing.T) {
	m := newMemory(coherence.New(coherence.Config{}), 1)
	found := codeFlow(1)
	cell := m.node.Cell
	want := map[coherence.Cell]string{
		cell(storage.ChangeTenant, "", string(tenantID)):                                       "tenant",
		cell(storage.ChangeClient, "", "demo-spa"):                                             "client",
		cell(storage.ChangeToken, tenantID, fmt.Sprintf("%x", found.Ref.Hash)):                 "token",
		cell(storage.ChangeUser, tenantID, string(found.User)):                                 "user",
		cell(storage.ChangeConnection, tenantID, string(found.Connection)):                     "connection",
		cell(storage.ChangeSession, tenantID, string(found.Session)):                           "session",
		cell(storage.ChangeGrant, tenantID, string(found.Grant)):                               "grant",
		cell(storage.ChangeConsent, tenantID, storage.ConsentChange(found.User, found.Client)): "consent",
	}
	on, ok := m.on((&Server{}).ofToken(found))
	for _, c := range on {
		delete(want, c)
	}
	if len(want) != 0 || !ok {
		t.Errorf("does not hang on %v", want)
	}
	found.User, found.Session, found.Grant, found.Connection = "", "", "", ""
	tenant := 0
	on, _ = m.on((&Server{}).ofToken(found))
	for _, c := range on {
		if c == cell(storage.ChangeTenant, "", string(tenantID)) {
			tenant++
		}
	}
	if tenant != 6 {
		t.Errorf("%d cells are the tenant's, want 6", tenant)
	}
}

// maxPerToken is what a remembered token may take, its answer included.
const maxPerToken = 640

// The cache is full of tokens that have nothing in common. What they take in the
// heap, everything included, is not more than promised, and what they are said to
// weigh is what they take.
func TestMemoryPerToken(t *testing.T) {
	const entries = 25_000
	s := New(Config{Issuer: "https://auth.example.com"})
	answer := len(s.packed(t, codeFlow(1)).packed.answer())
	before := heap()
	m := newMemory(s.memory.node, (overhead+576)*entries)
	for n := range entries {
		found := codeFlow(n)
		m.answers.Set(keyOf(found.Ref, 1), s.packed(t, found))
	}
	m.answers.CleanUp()
	took := float64(heap()-before) / entries
	weight := float64(m.answers.WeightedSize()) / entries
	t.Logf("%.0f bytes for each token, of which the answer has %d; said to be %.0f", took, answer, weight)
	if n := m.answers.EstimatedSize(); n != entries {
		t.Fatalf("%d entries", n)
	}
	if took > maxPerToken {
		t.Errorf("%.0f bytes, want %d at most", took, maxPerToken)
	}
	if took > weight*1.05 || took < weight*0.85 {
		t.Errorf("an entry is said to weigh %.0f bytes, and takes %.0f", weight, took)
	}
	runtime.KeepAlive(m)
}

// The same of API keys.
func TestMemoryPerKey(t *testing.T) {
	const entries = 20_000
	s := New(Config{Issuer: "https://auth.example.com"})
	before := heap()
	m := newMemory(s.memory.node, 1250*entries)
	u := newUses(nil)
	for n := range entries {
		id := storage.NewKeyID(today)
		c := &credential{under: id, key: &storage.LiveKey{APIKey: storage.APIKey{ID: id, Owner: storage.NewUserID(today), CreatedAt: today}},
			life: storage.Life{TenantID: tenantID, TenantSlug: "acme"}, rules: rulesOf([]string{"192.0.2.0/24"}, true, limit.Rate{}),
			owner: storage.User{Email: fmt.Sprintf("somebody%07d@acme.test", n)}}
		answer, err := encode(s.describe(demoAPI(), c, []string{"monitor:read", "alert:write"}))
		on, ok := m.on(c)
		e := entry{key: c.keyed(), packed: live{mark: 1, until: c.until(), on: on, tenant: tenantID, slug: "acme", answer: answer}.pack()}
		if err != nil || !ok || e.none() {
			t.Fatal("not packed", err)
		}
		for _, ip := range []string{"192.0.2.1", "192.0.2.2"} {
			u.count(e.key, "demo-api", question{now: today, ip: string([]byte(ip)), scope: "monitor:read"})
		}
		m.answers.Set(keyOf(codeRef(n), 1), e)
	}
	u.take()
	m.answers.CleanUp()
	took := float64(heap()-before) / entries
	weight := float64(m.answers.WeightedSize()) / entries
	t.Logf("%.0f bytes for each key; said to be %.0f", took, weight)
	if took > weight*1.05 || took < weight*0.75 {
		t.Errorf("an entry is said to weigh %.0f bytes, and takes %.0f", weight, took)
	}
	runtime.KeepAlive(m)
}

func heap() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// Somebody goes through many tokens that are good, each once: what is asked about
// all the time stays, although between two questions about a token there come more
// others than there is room for.
func TestAttackScanOfLiveTokens(t *testing.T) {
	const hot, scanned, between = 300, 60_000, 10
	s := New(Config{Issuer: "https://auth.example.com"})
	m := newMemory(s.memory.node, 1000*usualWeight)
	e := s.packed(t, codeFlow(1))
	ask := func(n int) (hit bool) {
		k := keyOf(codeRef(n), 1)
		if _, hit = m.answers.GetIfPresent(k); !hit {
			m.answers.Set(k, e)
		}
		m.answers.CleanUp()
		return hit
	}
	for range 3 {
		for n := range hot {
			ask(n)
		}
	}
	asked, hits := 0, 0
	for n := range scanned {
		ask(hot + n)
		if n%between == 0 {
			asked++
			if ask(n / between % hot) {
				hits++
			}
		}
	}
	t.Logf("%d of %d questions about the hot tokens were answered from memory; %d evictions", hits, asked, m.evicted.Load())
	if hits < asked*9/10 {
		t.Errorf("a scan pushes out what is in use: %d hits of %d", hits, asked)
	}
	if m.evicted.Load() < scanned/2 || m.answers.WeightedSize() > 1000*usualWeight {
		t.Errorf("%d evictions, %d bytes: there was room for all", m.evicted.Load(), m.answers.WeightedSize())
	}
}

func codeRef(n int) storage.TokenRef {
	return storage.TokenRef{Hash: [32]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}}
}

func TestKeysOfDifferentClassesDiffer(t *testing.T) {
	seen := map[key]bool{}
	for n := range 100 {
		for class := range uint64(100) {
			seen[keyOf(codeRef(n), class)] = true
		}
	}
	if len(seen) != 100*100 {
		t.Errorf("%d keys of 10000", len(seen))
	}
}

func TestAttackManySpellingsOfScopes(t *testing.T) {
	inBubble(t, func(b bubble) {
		secret := b.issue()
		ask := func(scope string) {
			_, err := b.ask(b.t.Context(), caller{ID: "demo-api", Secret: apiSecret, Method: storage.AuthBasic},
				question{now: time.Now(), token: secret, scope: scope})
			if err != nil {
				t.Error(err)
			}
		}
		for n := range 1000 {
			ask(fmt.Sprintf("%*s", n, "monitor:read"))
		}
		b.memory.answers.CleanUp()
		if n := b.memory.answers.EstimatedSize(); n != maxClasses {
			t.Errorf("%d entries of one token", n)
		}
		before := b.store.statements()
		ask(fmt.Sprintf("%*s", 900, "monitor:read"))
		ask(fmt.Sprintf("%*s", 20, "monitor:read"))
		if n := b.store.statements() - before; n != 1 {
			t.Errorf("%d statements, want 1 for the spelling that is not remembered", n)
		}
	})
}

// A resource server's cell is hit by another's change: it is read again, and what
// was remembered for it stays. Its own change ends all of that.
func TestAskerThatIsReadAgainKeepsItsAnswers(t *testing.T) {
	inBubble(t, func(b bubble) {
		one, other := b.issue(), b.issue()
		b.want(one, "", 1)
		b.want(other, "", 1)
		b.change(storage.ChangeResourceServer, "demo-api")
		b.want(other, "", 1)
		b.want(one, "", 0)
		b.store.set(func() { b.store.rs.Version++ })
		b.change(storage.ChangeResourceServer, "demo-api")
		b.want(one, "", 1)
		b.want(other, "", 1)
	})
}

// A record that was read before a change, and comes after it, is not remembered.
func TestAttackAskerThatComesLate(t *testing.T) {
	inBubble(t, func(b bubble) {
		secret, release := b.issue(), b.slow()
		first := b.begin(secret)
		b.store.set(func() {
			b.store.rs.Version++
			b.store.rs.Secrets = []storage.Secret{token.Seal("next", today, time.Time{})}
		})
		b.change(storage.ChangeResourceServer, "demo-api")
		release()
		first.end(t, "")
		if n := b.memory.askers.EstimatedSize(); n != 0 {
			t.Errorf("%d askers whose record had changed when it came", n)
		}
		for _, s := range []string{secret, "garbage"} {
			if _, err := b.put(s); err == nil {
				t.Errorf("%.4s: the old secret is good", s)
			}
		}
	})
}
