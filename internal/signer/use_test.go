package signer

import (
	"errors"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

func (h *house) keyNode() *Signer {
	h.t.Helper()
	cfg := h.config()
	cfg.Use, cfg.Log = storage.SignAPIKeys, slog.New(slog.DiscardHandler)
	s, err := New(h.t.Context(), cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func TestKeysOfOneUseSignNothingElse(t *testing.T) {
	h := newHouse(t)
	tokens, keys := h.node(), h.keyNode()
	if diff := cmp.Diff([]string{EdDSA}, keys.Algs()); diff != "" {
		t.Errorf("algorithms (-want +got):\n%s", diff)
	}
	if err := h.verify(tokens, h.sign(keys, EdDSA)); !errors.Is(err, ErrInvalid) {
		t.Errorf("an API key is taken for a token: %v", err)
	}
	if err := h.verify(keys, h.sign(tokens, EdDSA)); !errors.Is(err, ErrInvalid) {
		t.Errorf("a token is taken for an API key: %v", err)
	}
	for kid := range h.jwks(keys) {
		if _, ok := h.jwks(tokens)[kid]; ok {
			t.Errorf("%s is published among the tokens' keys", kid)
		}
	}
}

func TestKeysOfAPIKeysVerifyForEver(t *testing.T) {
	h := newHouse(t)
	s := h.keyNode()
	kid, err := s.Active(t.Context(), EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{"sub": "key_1"}
	first, err := s.SignWith(t.Context(), kid, "api-key+jwt", claims)
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		h.wait(weeks.SignFor)
		h.tick(s)
		h.wait(weeks.KeepFor)
		h.tick(s)
	}
	if now, err := s.Active(t.Context(), EdDSA); err != nil || now == kid {
		t.Fatalf("%s still signs, %v", now, err)
	}
	again, err := h.keyNode().SignWith(t.Context(), kid, "api-key+jwt", claims)
	if err != nil || again != first {
		t.Errorf("signed again: the same %v, %v", again == first, err)
	}
	if err := h.verify(s, first); err != nil {
		t.Errorf("years later: %v", err)
	}
	if err := s.Drop(t.Context(), kid); err != nil {
		t.Fatal(err)
	}
	if err := h.verify(s, first); !errors.Is(err, ErrInvalid) {
		t.Errorf("dropped: %v, want ErrInvalid", err)
	}
	if _, err := s.SignWith(t.Context(), kid, "api-key+jwt", claims); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("signs with a dropped key: %v", err)
	}
}

func TestNobodySignsWithoutAKey(t *testing.T) {
	h := newHouse(t)
	s := h.keyNode()
	if _, err := s.Active(t.Context(), RS256); !errors.Is(err, ErrAlg) {
		t.Errorf("RS256: %v, want ErrAlg", err)
	}
	if err := s.Rotate(t.Context(), RS256); !errors.Is(err, ErrAlg) {
		t.Errorf("rotate RS256: %v, want ErrAlg", err)
	}
	if _, err := s.SignWith(t.Context(), "nobody", "JWT", 1); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("%v, want ErrUnknownKey", err)
	}
	if err := s.CanSign(t.Context()); err != nil {
		t.Errorf("CanSign: %v", err)
	}
}
