package introspect_test

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

// ring knows keys of the form tk_<43 characters>. One that ends in "forged" has a
// signature that is wrong.
type ring struct {
	verified atomic.Int64
	profiles map[string]profile
}

type profile struct {
	https bool
	rate  limit.Rate
}

const keyPrefix = "tk_"

func (r *ring) ParseKey(s string) (hash [32]byte, ok bool) {
	return sha256.Sum256([]byte(s)), len(s) == len(keyPrefix)+43 && strings.HasPrefix(s, keyPrefix)
}

func (r *ring) Verify(_ context.Context, s string) bool {
	r.verified.Add(1)
	return !strings.HasSuffix(s, "forged")
}

func (r *ring) Rules(name string) (bool, limit.Rate, bool) {
	p, known := r.profiles[name]
	return p.https, p.rate, known
}

// twoInAnHour is a rate that no test outlives.
var twoInAnHour = limit.Rate{Requests: 2, Per: time.Hour, Burst: 2}

func newRing() *ring {
	return &ring{profiles: map[string]profile{
		"plain": {}, "https": {https: true}, "slow": {rate: twoInAnHour}, "huge": {rate: limit.Rate{Requests: 1 << 30, Per: time.Second, Burst: 1 << 30}},
	}}
}

// withKeys is the configuration of a deployment that has keys.
func (w *world) withKeys(c *catalogue.Catalogue) (introspect.Config, *ring) {
	r := newRing()
	return introspect.Config{
		Store: w.store, Keys: r, Catalogue: c, KeyLimits: limit.New(limit.Config{Now: func() time.Time { return w.clock }}), Log: w.logger(),
	}, r
}

// keyWorld is a deployment that has keys, and remembers.
func keyWorld(t testing.TB) *world {
	w := newWorld(t)
	cfg, _ := w.withKeys(nil)
	w.remember(cfg)
	return w
}

// key makes alice a key for monitor:read and alert:write.
func (w *world) key(change ...func(*storage.APIKey)) string {
	w.t.Helper()
	s := keyPrefix + token.NewSecret()
	w.keyOf(s, change...)
	return s
}

// keyOf stores a key of which the whole text is known, and returns its record.
func (w *world) keyOf(s string, change ...func(*storage.APIKey)) storage.APIKey {
	w.t.Helper()
	k := storage.APIKey{
		ID: storage.NewKeyID(start), Profile: "plain", Name: "ci", Hash: sha256.Sum256([]byte(s)), Hint: keyPrefix + "****",
		Owner: w.alice.ID, Scopes: []string{"monitor:read", "alert:write"}, CreatedAt: start,
	}
	for _, c := range change {
		c(&k)
	}
	role := w.alice.Role
	if k.Owner == "" {
		role = ""
	}
	must(w.t, w.store.Tenant(w.acme.ID).CreateKey(context.Background(), storage.CreateKey{Key: k, Role: role}, event("key.created")))
	return w.stored(s)
}

// stored is the record of a key.
func (w *world) stored(s string) storage.APIKey {
	w.t.Helper()
	k, err := w.store.FindKey(context.Background(), sha256.Sum256([]byte(s)))
	must(w.t, err)
	whole, err := w.store.Tenant(w.acme.ID).Key(context.Background(), k.ID)
	must(w.t, err)
	return whole
}

func (w *world) changeKey(s string, change func(*storage.APIKey)) {
	w.t.Helper()
	k := w.stored(s)
	change(&k)
	must(w.t, w.store.Tenant(w.acme.ID).UpdateKey(context.Background(), k, event("key.updated")))
}

func (w *world) revokeKey(s string) {
	w.t.Helper()
	must(w.t, w.store.Tenant(w.acme.ID).RevokeKey(context.Background(), w.stored(s).ID, w.clock, "revoked", event("key.revoked")))
}

// use is one line of a key's usage, without what a test is not about.
type use struct {
	Refused, IP, Scope string
	RS                 storage.ResourceServerID
	Calls              int64
}

// usage flushes and reads how a key was used, in a stable order.
func (w *world) usage(s string) []use {
	w.t.Helper()
	w.server.Flush(context.Background())
	all, err := w.store.Tenant(w.acme.ID).KeyUsage(context.Background(), w.stored(s).ID, start.Add(-48*time.Hour))
	must(w.t, err)
	var out []use
	for _, u := range all {
		out = append(out, use{u.Refused, u.IP, u.Scope, u.ResourceServer, u.Calls})
	}
	slices.SortFunc(out, func(a, b use) int {
		return strings.Compare(a.Refused+" "+a.IP+" "+a.Scope+" "+string(a.RS), b.Refused+" "+b.IP+" "+b.Scope+" "+string(b.RS))
	})
	return out
}

func parsed(t testing.TB, text string) *catalogue.Catalogue {
	t.Helper()
	f, err := catalogue.Parse("test.yaml", []byte(text))
	must(t, err)
	return f.Catalogue
}

// monitoring is a catalogue in which writing implies reading, and viewers only read.
const monitoring = `
resources:
  monitor:
    description: Monitors and their check runs
    actions:
      read: {scope: "monitor:read", description: "See your monitors"}
      write: {scope: "monitor:write", description: "Change your monitors", implies: [read]}
  alert:
    description: Alerts
    actions:
      write: {scope: "alert:write", description: "Change your alerts"}
roles:
  owner: ["*"]
  member: ["monitor:write"]
  viewer: ["monitor:read"]
`
