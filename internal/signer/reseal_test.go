package signer

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

// masters returns a sealer over masters made of these bytes, the newest first.
func masters(t *testing.T, list ...byte) *seal.Sealer {
	t.Helper()
	keys := make([][]byte, len(list))
	for i, b := range list {
		keys[i] = bytes.Repeat([]byte{b}, seal.MinMaster)
	}
	s, err := seal.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h *house) rows() []storage.SigningKey {
	h.t.Helper()
	rows, err := h.store.SigningKeys(h.t.Context(), storage.SignTokens)
	if err != nil {
		h.t.Fatal(err)
	}
	return rows
}

// TestOldMasterCanBeTakenAwayAfterOneStart is KM-05.
func TestOldMasterCanBeTakenAwayAfterOneStart(t *testing.T) {
	h := newHouse(t)
	old := h.sign(h.node(), ES256)
	h.sealer = masters(t, 2, 1)
	h.node()
	for _, row := range h.rows() {
		if h.sealer.Stale(row.Sealed) {
			t.Errorf("%s is still sealed under the old master", row.KID)
		}
	}
	before := h.rows()
	h.tick(h.node())
	if after := h.rows(); len(after) != len(before) || after[0].Version != before[0].Version {
		t.Error("what is sealed under the newest master was written again")
	}
	h.sealer = masters(t, 2)
	s := h.node()
	if err := h.verify(s, old); err != nil {
		t.Errorf("signed under the old master: %v", err)
	}
	if err := errors.Join(s.CanSign(t.Context()), h.verify(s, h.sign(s, RS256))); err != nil {
		t.Error(err)
	}
}

// TestTwoNodesResealAtOnce has a second node that decided on the same rows.
func TestTwoNodesResealAtOnce(t *testing.T) {
	h := newHouse(t)
	h.node()
	h.sealer = masters(t, 2, 1)
	slow := unread(h.config())
	r, err := slow.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.node()
	if _, err := slow.reseal(t.Context(), r); err != nil {
		t.Errorf("the slower node: %v", err)
	}
}

// TestActiveKeyThatDoesNotOpenIsReported has one key of a master that was taken
// away, while the others open.
func TestActiveKeyThatDoesNotOpenIsReported(t *testing.T) {
	h := newHouse(t)
	lost := h.put(masters(t, 9), ES256)
	h.put(h.sealer, RS256)
	s := h.node()
	if err := s.CanSign(t.Context()); !errors.Is(err, seal.ErrSealed) || !strings.Contains(err.Error(), lost) {
		t.Errorf("CanSign: %v, want ErrSealed and the kid", err)
	}
	if err := s.Drop(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	if err := s.CanSign(t.Context()); err != nil {
		t.Errorf("after the key was dropped: %v", err)
	}
}

// put stores a key that signs from now on, and returns its kid.
func (h *house) put(s *seal.Sealer, alg string) string {
	h.t.Helper()
	row, err := newRow(s, alg, h.now())
	if err != nil {
		h.t.Fatal(err)
	}
	row.ActiveAt = h.now()
	ev := audit.SigningKeysChanged(h.t.Context(), h.now(), []string{row.KID}, "created")
	if err := h.store.PutSigningKeys(h.t.Context(), []storage.SigningKey{row}, ev); err != nil {
		h.t.Fatal(err)
	}
	return row.KID
}
