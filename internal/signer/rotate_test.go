package signer

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

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
		out, err := h.store.SigningKeys(t.Context(), storage.SignTokens)
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
