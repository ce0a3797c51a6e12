package introspect_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

// Every use of a key is counted once, whichever way the question came.
func TestUsesOfAKeyAreCounted(t *testing.T) {
	onEachEngineWithKeys(t, func(t *testing.T, w *world) {
		s, other := w.key(), w.key()
		from := func(ip, scope string) { w.ask(url.Values{"token": {s}, "ip": {ip}, "scope": {scope}}) }
		for range 3 {
			from("192.0.2.1", "monitor:read")
		}
		from("::ffff:192.0.2.1", "monitor:read")
		from("2001:DB8::1", "monitor:read")
		from("", "")
		from("nowhere", "")
		w.slowly(formRequest(plainBasic("demo-api:"+secret), "token="+s))
		w.ask(tok(other))
		want := []use{
			{"", "", "", "demo-api", 3},
			{"", "192.0.2.1", "monitor:read", "demo-api", 4},
			{"", "2001:db8::/64", "monitor:read", "demo-api", 1},
		}
		if d := cmp.Diff(want, w.usage(s)); d != "" {
			t.Error(d)
		}
		from("192.0.2.1", "monitor:read")
		want[1].Calls++
		if d := cmp.Diff(want, w.usage(s)); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]use{{"", "", "", "demo-api", 1}}, w.usage(other)); d != "" {
			t.Error(d)
		}
		if at := w.stored(s).LastUsedAt; !at.Equal(start) {
			t.Errorf("last used %v", at)
		}
	})
}

// Refusals of a known key are counted, too, with the reason; strangers leave nothing.
// An asker that looks itself whether a scope is there says which, for the record.
func TestWhatACallNeededIsInTheRecord(t *testing.T) {
	onEachEngineWithKeys(t, func(t *testing.T, w *world) {
		s := w.key()
		for statements := range 3 {
			w.expect(url.Values{"token": {s}, "scope_needed": {"monitor:read"}}, `"scope":"alert:write monitor:read"`, max(0, 1-int64(statements)))
			w.expect(url.Values{"token": {s}, "scope_needed": {"config:admin"}}, `"scope":"alert:write monitor:read"`, 0)
		}
		want := []use{{"", "", "config:admin", "demo-api", 3}, {"", "", "monitor:read", "demo-api", 3}}
		if d := cmp.Diff(want, w.usage(s)); d != "" {
			t.Error(d)
		}
	})
}

func TestRefusedUsesOfAKeyAreCounted(t *testing.T) {
	w := keyWorld(t)
	s := w.key(profiled("slow"), listed("192.0.2.0/24"))
	good := url.Values{"token": {s}, "ip": {"192.0.2.1"}}
	for range 4 {
		w.ask(good) // two are good
	}
	w.ask(url.Values{"token": {s}, "ip": {"198.51.100.1"}})
	w.ask(url.Values{"token": {s}, "ip": {"192.0.2.1"}, "tenant": {"globex"}})
	w.ask(url.Values{"token": {s}, "ip": {"192.0.2.1"}, "scope": {"openid"}})
	w.ask(good, as("demo-api", "wrong")) // who may not ask says nothing
	w.ask(tok(keyPrefix + strings.Repeat("x", 43)))
	w.revokeKey(s)
	w.ask(good)
	if d := cmp.Diff([]use{
		{"", "192.0.2.1", "", "demo-api", 2},
		{"address", "198.51.100.1", "", "demo-api", 1},
		{"other_tenant", "192.0.2.1", "", "demo-api", 1},
		{"rate", "192.0.2.1", "", "demo-api", 2},
		{"revoked", "192.0.2.1", "", "demo-api", 1},
		{"scope", "192.0.2.1", "openid", "demo-api", 1},
	}, w.usage(s)); d != "" {
		t.Error(d)
	}
}

// More addresses than are counted with an answer are counted all the same, and what
// is counted outlives the answer.
func TestUsesFromManyAddresses(t *testing.T) {
	w := keyWorld(t)
	s := w.key()
	w.ask(tok(s))
	for range 3 {
		for _, ip := range strings.Fields("192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6 192.0.2.7") {
			w.ask(url.Values{"token": {s}, "ip": {ip}})
		}
	}
	w.revokeKey(s)
	w.ask(tok(s))
	calls := int64(0)
	all := w.usage(s)
	for _, u := range all {
		if u.IP != "" && u.Calls != 3 {
			t.Errorf("%+v", u)
		}
		calls += u.Calls
	}
	if len(all) != 9 || calls != 1+21+1 {
		t.Errorf("%d calls: %v", calls, all)
	}
}

func TestUsesOfManyAtOnceAreCountedOnce(t *testing.T) {
	w := keyWorld(t)
	s := w.key()
	w.ask(tok(s))
	var all sync.WaitGroup
	const askers, each = 8, 200
	for n := range askers {
		ip := "192.0.2." + string(rune('1'+n))
		all.Go(func() {
			for range each {
				w.ask(url.Values{"token": {s}, "ip": {ip}})
			}
		})
	}
	stop := make(chan struct{})
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		for {
			select {
			case <-stop:
				return
			default:
				w.server.Flush(context.Background())
			}
		}
	}()
	all.Wait()
	close(stop)
	<-flushed
	calls := int64(0)
	for _, u := range w.usage(s) {
		calls += u.Calls
	}
	if calls != askers*each+1 {
		t.Errorf("%d calls, want %d", calls, askers*each+1)
	}
}

// forgetful is a store that cannot store uses.
type forgetful struct {
	introspect.Store
	mu   sync.Mutex
	away bool
	took [][]storage.KeyUse
}

// flushes is how often uses were stored.
func (f *forgetful) flushes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.took)
}

type forgetfulTenant struct {
	storage.TenantStore
	of *forgetful
}

func (f *forgetful) Tenant(id storage.TenantID) storage.TenantStore {
	return forgetfulTenant{f.Store.Tenant(id), f}
}

func (f forgetfulTenant) NoteKeyUses(_ context.Context, uses []storage.KeyUse) error {
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	if f.of.away {
		return errors.New("away")
	}
	f.of.took = append(f.of.took, uses)
	return nil
}

// What could not be stored is stored later, for a day.
func TestUsesAreKeptWhileTheStoreIsAway(t *testing.T) {
	w := newWorld(t)
	store := &forgetful{Store: w.store, away: true}
	cfg, _ := w.withKeys(nil)
	cfg.Store = store
	w.remember(cfg)
	s := w.key()
	for range 3 {
		w.ask(tok(s))
		w.server.Flush(context.Background())
	}
	if !strings.Contains(w.log.String(), "uses of API keys not stored") {
		t.Error(w.log.String())
	}
	store.away = false
	w.server.Flush(context.Background())
	w.server.Flush(context.Background())
	if len(store.took) != 1 || len(store.took[0]) != 1 || store.took[0][0].Calls != 3 || !store.took[0][0].LastAt.Equal(start) {
		t.Errorf("%v", store.took)
	}
	store.away, store.took = true, nil
	w.ask(tok(s))
	w.clock = start.Add(25 * time.Hour)
	w.server.Flush(context.Background())
	store.away = false
	w.server.Flush(context.Background())
	if len(store.took) != 0 {
		t.Errorf("kept for more than a day: %v", store.took)
	}
}

// Run stores every ten seconds, and when it ends.
func TestRunStoresUses(t *testing.T) {
	w := newWorld(t)
	store := &forgetful{Store: w.store}
	cfg, _ := w.withKeys(nil)
	cfg.Store = store
	w.mount(cfg)
	s := w.key()
	w.ask(tok(s))
	server := w.server
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- server.Run(ctx) }()
		<-time.After(9 * time.Second)
		synctest.Wait()
		if store.flushes() != 0 {
			t.Error("early")
		}
		<-time.After(2 * time.Second)
		synctest.Wait()
		if n := store.flushes(); n != 1 {
			t.Errorf("%d flushes", n)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	w.ask(tok(s))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, w.server.Run(ctx))
	if len(store.took) != 2 {
		t.Errorf("%d flushes, want one more at the end", len(store.took))
	}
}
