package signer

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// house is a database, a master secret and a clock that nodes share.
type house struct {
	t      *testing.T
	store  *sqlstore.Store
	sealer *seal.Sealer
	reads  atomic.Int64 // of the keys, by all nodes
	millis atomic.Int64
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dsn := filepath.Join(t.TempDir(), "keys.db")
	if err := sqlstore.Migrate(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Log(err)
		}
	})
	h := &house{t: t, store: store, sealer: newSealer(t, 1)}
	h.millis.Store(start.UnixMilli())
	return h
}

func newSealer(t *testing.T, b byte) *seal.Sealer {
	t.Helper()
	s, err := seal.New([][]byte{bytes.Repeat([]byte{b}, seal.MinMaster)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h *house) now() time.Time       { return time.UnixMilli(h.millis.Load()) }
func (h *house) wait(d time.Duration) { h.millis.Add(d.Milliseconds()) }

// SigningKeys counts what reaches the store.
func (h *house) SigningKeys(ctx context.Context) ([]storage.SigningKey, error) {
	h.reads.Add(1)
	return h.store.SigningKeys(ctx)
}

func (h *house) PutSigningKeys(ctx context.Context, keys []storage.SigningKey, ev storage.Event) error {
	return h.store.PutSigningKeys(ctx, keys, ev)
}

func (h *house) config() Config {
	return Config{Keys: h, Sealer: h.sealer, Now: h.now, Schedule: weeks, Log: slog.New(slog.DiscardHandler)}
}

func (h *house) node() *Signer {
	h.t.Helper()
	s, err := New(h.t.Context(), h.config())
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *house) tick(nodes ...*Signer) {
	h.t.Helper()
	for _, s := range nodes {
		if err := s.Tick(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *house) sign(s *Signer, alg string) string {
	h.t.Helper()
	out, err := s.Sign(h.t.Context(), alg, "JWT", map[string]any{"sub": "usr_1", "exp": 1})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *house) verify(s *Signer, compact string) error {
	_, err := s.Verify(h.t.Context(), compact)
	return err
}

// jwks returns the published set by kid.
func (h *house) jwks(s *Signer) map[string]jose.JSONWebKey {
	h.t.Helper()
	b, err := s.JWKS(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(b, &set); err != nil {
		h.t.Fatal(err)
	}
	out := map[string]jose.JSONWebKey{}
	for _, k := range set.Keys {
		out[k.KeyID] = k
	}
	if len(out) != len(set.Keys) {
		h.t.Error("the JWKS has a kid twice")
	}
	return out
}

// header returns the protected header of a compact JWS.
func header(t *testing.T, compact string) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func kidOf(t *testing.T, compact string) string {
	t.Helper()
	kid, _ := header(t, compact)["kid"].(string)
	return kid
}

func TestSignedByAPublishedKeyOfTheAlgorithm(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	published := h.jwks(s)
	for _, alg := range s.Algs() {
		compact := h.sign(s, alg)
		got := header(t, compact)
		if got["alg"] != alg || got["typ"] != "JWT" || published[kidOf(t, compact)].Algorithm != alg {
			t.Errorf("%s: header %v", alg, got)
		}
		payload, err := s.Verify(t.Context(), compact)
		if err != nil || string(payload) != `{"exp":1,"sub":"usr_1"}` {
			t.Errorf("%s: %s, %v; an old exp is the caller's business", alg, payload, err)
		}
	}
	if _, err := s.Sign(t.Context(), "HS256", "JWT", "x"); !errors.Is(err, ErrAlg) {
		t.Errorf("HS256: %v, want ErrAlg", err)
	}
	if _, err := s.Sign(t.Context(), "none", "JWT", "x"); !errors.Is(err, ErrAlg) {
		t.Errorf("none: %v, want ErrAlg", err)
	}
}

// TestJWKSHoldsPublicMembersOnly is KM-03.
func TestJWKSHoldsPublicMembersOnly(t *testing.T) {
	h := newHouse(t)
	b, err := h.node().JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(b, &set); err != nil || len(set.Keys) != 6 {
		t.Fatalf("%d keys, %v; want an active and a next one for each of three algorithms", len(set.Keys), err)
	}
	members := map[string][]string{
		RS256: {"alg", "e", "kid", "kty", "n", "use"},
		ES256: {"alg", "crv", "kid", "kty", "use", "x", "y"},
		EdDSA: {"alg", "crv", "kid", "kty", "use", "x"},
	}
	for _, k := range set.Keys {
		alg := k["alg"].(string)
		if diff := cmp.Diff(members[alg], slices.Sorted(maps.Keys(k))); diff != "" || k["use"] != "sig" {
			t.Errorf("%s, use %v (-want +got):\n%s", alg, k["use"], diff)
		}
		if n, _ := base64.RawURLEncoding.DecodeString(fmt.Sprint(k["n"])); alg == RS256 && len(n)*8 < 2048 {
			t.Errorf("an RSA key of %d bits", len(n)*8)
		}
	}
}

// TestKeyIsPublishedBeforeItSignsAndAfter is KM-02.
func TestKeyIsPublishedBeforeItSignsAndAfter(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	published := h.jwks(s)
	old := h.sign(s, RS256)
	h.wait(weeks.SignFor)
	h.tick(s)
	now := h.sign(s, RS256)
	if kidOf(t, now) == kidOf(t, old) {
		t.Fatal("the key has signed for longer than its time")
	}
	if _, ok := published[kidOf(t, now)]; !ok {
		t.Error("the new key signs, and was not in the JWKS that a client fetched a week ago")
	}
	if _, ok := h.jwks(s)[kidOf(t, old)]; !ok || h.verify(s, old) != nil {
		t.Error("the old key left together with its turn to sign")
	}
	h.wait(weeks.KeepFor)
	h.tick(s)
	if _, ok := h.jwks(s)[kidOf(t, old)]; ok {
		t.Error("a retired key is published beyond its time")
	}
	if err := h.verify(s, old); !errors.Is(err, ErrInvalid) {
		t.Errorf("signature of a removed key: %v, want ErrInvalid", err)
	}
}

func TestRemovedKeyIsRefusedByANodeThatReadItBefore(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	old := h.sign(s, ES256)
	h.wait(weeks.SignFor)
	h.tick(s)
	h.wait(weeks.KeepFor - time.Second)
	h.tick(s)
	if err := h.verify(s, old); err != nil {
		t.Errorf("a second before it is removed: %v", err)
	}
	h.wait(time.Second)
	if err := h.verify(s, old); !errors.Is(err, ErrInvalid) {
		t.Errorf("removed since the keys were read: %v, want ErrInvalid", err)
	}
}

// TestOfTwoNodesThatAddAKeyOneSucceeds has two nodes that read the same keys.
func TestOfTwoNodesThatAddAKeyOneSucceeds(t *testing.T) {
	h := newHouse(t)
	only, err := newRow(h.sealer, ES256, h.now())
	if err != nil {
		t.Fatal(err)
	}
	only.ActiveAt = h.now()
	created := audit.SigningKeysChanged(t.Context(), h.now(), []string{only.KID}, "created")
	if err := h.store.PutSigningKeys(t.Context(), []storage.SigningKey{only}, created); err != nil {
		t.Fatal(err)
	}
	s := unread(h.config())
	r, err := s.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done, err := s.try(t.Context(), r, ES256, s.keepUp(ES256)); err != nil || !done {
		t.Fatalf("the first: %v, %v", done, err)
	}
	if _, err := s.try(t.Context(), r, ES256, s.keepUp(ES256)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("the second: %v, want ErrConflict", err)
	}
	if _, err := s.change(t.Context(), r, ES256, s.keepUp(ES256)); err != nil {
		t.Errorf("the second, reading again: %v", err)
	}
	if got := len(h.jwks(s)); got != 2 {
		t.Errorf("%d keys, want 2", got)
	}
}

func TestKeysSurviveARestart(t *testing.T) {
	h := newHouse(t)
	first := h.node()
	compact := h.sign(first, EdDSA)
	again := h.node()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(h.jwks(first))), slices.Sorted(maps.Keys(h.jwks(again)))); diff != "" {
		t.Errorf("kids (-before +after):\n%s", diff)
	}
	if err := h.verify(again, compact); err != nil {
		t.Errorf("signed before the restart: %v", err)
	}
}

func TestWrongMasterSecretIsReported(t *testing.T) {
	h := newHouse(t)
	h.node()
	before, err := h.store.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.sealer = newSealer(t, 2)
	if _, err := New(t.Context(), h.config()); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("New with another master: %v, want ErrSealed", err)
	}
	after, err := h.store.SigningKeys(t.Context())
	if err != nil || len(after) != len(before) {
		t.Errorf("%d keys before, %d after (%v): a wrong secret made new ones", len(before), len(after), err)
	}
}

// TestPrivateKeysAreSealedAtRest is KM-01.
func TestPrivateKeysAreSealedAtRest(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	rows, err := h.store.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if bytes.Contains(row.Sealed, []byte(`"d"`)) || bytes.Contains(row.Public, []byte(`"d"`)) {
			t.Errorf("%s: a private member is readable in the store", row.KID)
		}
		if _, err := h.sealer.Open(place(rows[0].KID), rows[1].Sealed); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("a sealed key opens in another row: %v", err)
		}
	}
	if got := fmt.Sprintf("%v %+v %#v", s, s, s); got != "signer.Signer signer.Signer signer.Signer" {
		t.Errorf("a Signer prints as %s", got)
	}
}

// TestPublicKeyPlantedInTheDatabaseVerifiesNothing: whoever can write to the
// database does not hold the master secret.
func TestPublicKeyPlantedInTheDatabaseVerifiesNothing(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	evil, err := newRow(newSealer(t, 9), ES256, h.now())
	if err != nil {
		t.Fatal(err)
	}
	forged, err := open(newSealer(t, 9), evil)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := h.store.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	evil.ActiveAt, evil.Sealed = h.now(), mine[0].Sealed
	if err := h.store.PutSigningKeys(t.Context(), []storage.SigningKey{evil}, audit.SigningKeysChanged(t.Context(), h.now(), []string{evil.KID}, "created")); err != nil {
		t.Fatal(err)
	}
	h.tick(s)
	compact, err := forged.sign("JWT", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := h.verify(s, compact); !errors.Is(err, ErrInvalid) {
		t.Errorf("signed by the planted key: %v, want ErrInvalid", err)
	}
	if _, ok := h.jwks(s)[evil.KID]; ok {
		t.Error("the planted key is published")
	}
}

// forgeries are JWS that name a key of ours, and are not signed by it.
func forgeries(t *testing.T, good string, published map[string]jose.JSONWebKey) map[string]string {
	t.Helper()
	parts := strings.Split(good, ".")
	attacker, err := newRow(newSealer(t, 9), ES256, start)
	if err != nil {
		t.Fatal(err)
	}
	own, err := open(newSealer(t, 9), attacker)
	if err != nil {
		t.Fatal(err)
	}
	kid := kidOf(t, good)
	public, err := json.Marshal(published[kid])
	if err != nil {
		t.Fatal(err)
	}
	raw := func(header string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "." + parts[2]
	}
	with := func(alg jose.SignatureAlgorithm, key any, opts *jose.SignerOptions) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
		if err != nil {
			t.Fatal(err)
		}
		jws, err := signer.Sign([]byte(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		out, err := jws.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	named := jose.JSONWebKey{Key: own.private.Key, KeyID: kid}
	return map[string]string{
		"alg none":           raw(`{"alg":"none","kid":"` + kid + `"}`)[:len(raw(`{"alg":"none","kid":"`+kid+`"}`))-len(parts[2])],
		"alg None":           raw(`{"alg":"None","kid":"` + kid + `"}`),
		"HS256 with our key": with(jose.HS256, jose.JSONWebKey{Key: public, KeyID: kid}, nil),
		"alg of another key": raw(`{"alg":"RS256","kid":"` + kid + `"}`),
		"own key, our kid":   with(jose.ES256, named, nil),
		"embedded jwk":       with(jose.ES256, named.Key, &jose.SignerOptions{EmbedJWK: true}),
		"jku":                with(jose.ES256, named, (&jose.SignerOptions{}).WithHeader("jku", "https://evil.example/jwks.json")),
		"x5u":                with(jose.ES256, named, (&jose.SignerOptions{}).WithHeader("x5u", "https://evil.example/x5u")),
		"no kid":             with(jose.ES256, own.private.Key, nil),
		"unknown kid":        with(jose.ES256, own.private, nil),
		"payload changed":    parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"usr_2"}`)) + "." + parts[2],
		"signature cut":      good[:len(good)-4],
		"no signature":       parts[0] + "." + parts[1] + ".",
		"unknown crit":       raw(`{"alg":"ES256","crit":["x"],"kid":"` + kid + `","x":1}`),
		"JSON":               `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"two dots more":      good + ".x.y",
		"empty":              "",
		"64 KB":              good + strings.Repeat("A", 64<<10),
	}
}

func TestForgedSignaturesAreRefused(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	good := h.sign(s, ES256)
	for name, forged := range forgeries(t, good, h.jwks(s)) {
		if err := h.verify(s, forged); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if err := h.verify(s, good); err != nil {
		t.Errorf("the genuine one: %v", err)
	}
}

func TestRotateByCommand(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	old, before := kidOf(t, h.sign(s, ES256)), h.jwks(s)
	if err := s.Rotate(t.Context(), ES256); err != nil {
		t.Fatal(err)
	}
	if after := h.jwks(s); len(after) != len(before)+1 {
		t.Errorf("%d keys published, want one more than %d", len(after), len(before))
	}
	if kidOf(t, h.sign(s, ES256)) != old {
		t.Error("a key signs that was published a moment ago")
	}
	h.wait(weeks.PublishAhead)
	h.tick(s)
	now := kidOf(t, h.sign(s, ES256))
	if _, known := before[now]; now == old || !known {
		t.Error("after a day the key that had been published must sign")
	}
	h.wait(time.Second)
	if err := s.Rotate(t.Context(), ES256); err != nil {
		t.Fatal(err)
	}
	if kidOf(t, h.sign(s, ES256)) == now {
		t.Error("the next was published for a day, and does not sign at once")
	}
	if err := s.Rotate(t.Context(), "HS256"); !errors.Is(err, ErrAlg) {
		t.Errorf("Rotate(HS256) = %v, want ErrAlg", err)
	}
}

// TestDroppedKeyIsGoneAtOnce is KM-04.
func TestDroppedKeyIsGoneAtOnce(t *testing.T) {
	h := newHouse(t)
	s, other := h.node(), h.node()
	compact := h.sign(s, RS256)
	kid := kidOf(t, compact)
	if err := s.Drop(t.Context(), kid); err != nil {
		t.Fatal(err)
	}
	if err := h.verify(s, compact); !errors.Is(err, ErrInvalid) {
		t.Errorf("signed by a dropped key: %v, want ErrInvalid", err)
	}
	if _, ok := h.jwks(s)[kid]; ok {
		t.Error("the dropped key is published")
	}
	if now := h.sign(s, RS256); kidOf(t, now) == kid || h.verify(other, now) != nil {
		t.Error("the next key must sign, and be known to every node")
	}
	h.wait(maxAge)
	if kidOf(t, h.sign(other, RS256)) == kid || !errors.Is(h.verify(other, compact), ErrInvalid) {
		t.Error("another node still relies on the dropped key")
	}
	if err := s.Drop(t.Context(), kid); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("dropping it again: %v, want ErrUnknownKey", err)
	}
}

func TestTickAgainChangesNothing(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	rows := func() []storage.SigningKey {
		out, err := h.store.SigningKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := rows()
	h.wait(weeks.SignFor - time.Millisecond)
	h.tick(s, h.node(), s)
	if diff := cmp.Diff(before, rows()); diff != "" {
		t.Errorf("a tick when nothing is due (-before +after):\n%s", diff)
	}
}

func TestNodesThatTickAtOnceAgree(t *testing.T) {
	h := newHouse(t)
	var nodes []*Signer
	for range 6 {
		nodes = append(nodes, h.node())
	}
	h.wait(weeks.SignFor)
	var all sync.WaitGroup
	for _, s := range nodes {
		all.Go(func() {
			if err := s.Tick(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	h.tick(nodes...)
	if got := len(h.jwks(nodes[0])); got != 9 {
		t.Errorf("%d keys, want 9: for each algorithm a retired, an active and a next one", got)
	}
	for _, alg := range algs {
		kids := map[string]bool{}
		for _, s := range nodes {
			kids[kidOf(t, h.sign(s, alg))] = true
		}
		if len(kids) != 1 {
			t.Errorf("%s: the nodes sign with %d keys", alg, len(kids))
		}
	}
}

func TestKeyOfAnotherNodeIsKnownWhenItSigns(t *testing.T) {
	h := newHouse(t)
	s, other := h.node(), h.node()
	h.wait(weeks.SignFor)
	h.tick(s)
	if err := s.Rotate(t.Context(), ES256); err != nil {
		t.Fatal(err)
	}
	h.wait(weeks.PublishAhead)
	h.tick(s)
	if err := h.verify(other, h.sign(s, ES256)); err != nil {
		t.Errorf("a node that has not ticked since: %v", err)
	}
}

func TestMadeUpKidsDoNotReachTheStore(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	forged := forgeries(t, h.sign(s, ES256), h.jwks(s))["unknown kid"]
	h.wait(recheck)
	h.reads.Store(0)
	for range 50 {
		if err := h.verify(s, forged); !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	}
	if got := h.reads.Load(); got != 1 {
		t.Errorf("50 made-up kids caused %d reads, want 1 in %s", got, recheck)
	}
}

func TestSigningDoesNotReadTheStore(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	h.reads.Store(0)
	for range 10 {
		h.jwks(s)
		if err := h.verify(s, h.sign(s, EdDSA)); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.reads.Load(); got != 0 {
		t.Errorf("%d reads for ten signatures", got)
	}
}

func TestStoreThatIsAwayIsNoVerdict(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	compact := h.sign(s, ES256)
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.verify(s, compact); err != nil {
		t.Errorf("keys that were just read: %v", err)
	}
	h.wait(maxAge)
	if err := h.verify(s, compact); err == nil || errors.Is(err, ErrInvalid) {
		t.Errorf("Verify without a store: %v, want an error that is not ErrInvalid", err)
	}
	if _, err := s.Sign(t.Context(), ES256, "", "x"); err == nil || errors.Is(err, ErrAlg) {
		t.Errorf("Sign without a store: %v, want an error that is not ErrAlg", err)
	}
	if got := len(h.jwks(s)); got != 6 {
		t.Errorf("the JWKS has %d keys while the store is away, want 6", got)
	}
	h.wait(weeks.PublishAhead)
	if _, err := s.JWKS(t.Context()); err == nil {
		t.Error("the JWKS is served although new keys may sign that are not in it")
	}
}

// TestChangesOfKeysAreAudited is KM-09.
func TestChangesOfKeysAreAudited(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	if err := s.Rotate(t.Context(), ES256); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context(), kidOf(t, h.sign(s, EdDSA))); err != nil {
		t.Fatal(err)
	}
	events, err := h.store.PlatformEvents(t.Context(), "", 50)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, ev := range events {
		count[ev.Kind+" "+ev.Reason]++
	}
	want := map[string]int{"signing_keys.changed activated": 4, "signing_keys.changed dropped": 1}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
