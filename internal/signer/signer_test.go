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
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/storage/storagetest"
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
	dsn := storagetest.File(t, sqlstore.Migrate)
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
func (h *house) SigningKeys(ctx context.Context, use storage.SigningUse) ([]storage.SigningKey, error) {
	h.reads.Add(1)
	return h.store.SigningKeys(ctx, use)
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

// TestNodeWhoseClockIsBehindTheFirst starts, and signs with the same keys.
func TestNodeWhoseClockIsBehindTheFirst(t *testing.T) {
	h := newHouse(t)
	first := h.node()
	kid := kidOf(t, h.sign(first, RS256))
	h.millis.Add(-time.Hour.Milliseconds())
	behind := h.node()
	compact := h.sign(behind, RS256)
	if got := kidOf(t, compact); got != kid {
		t.Errorf("signed by %s, want %s", got, kid)
	}
	h.millis.Add(time.Hour.Milliseconds())
	if err := h.verify(first, compact); err != nil {
		t.Error(err)
	}
}

func TestWrongMasterSecretIsReported(t *testing.T) {
	h := newHouse(t)
	h.node()
	before, err := h.store.SigningKeys(t.Context(), storage.SignTokens)
	if err != nil {
		t.Fatal(err)
	}
	h.sealer = newSealer(t, 2)
	if _, err := New(t.Context(), h.config()); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("New with another master: %v, want ErrSealed", err)
	}
	after, err := h.store.SigningKeys(t.Context(), storage.SignTokens)
	if err != nil || len(after) != len(before) {
		t.Errorf("%d keys before, %d after (%v): a wrong secret made new ones", len(before), len(after), err)
	}
}

// TestPrivateKeysAreSealedAtRest is KM-01.
func TestPrivateKeysAreSealedAtRest(t *testing.T) {
	h := newHouse(t)
	s := h.node()
	rows, err := h.store.SigningKeys(t.Context(), storage.SignTokens)
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
