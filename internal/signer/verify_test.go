package signer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

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
	mine, err := h.store.SigningKeys(t.Context(), storage.SignTokens)
	if err != nil {
		t.Fatal(err)
	}
	evil.ActiveAt, evil.RetiredAt, evil.Sealed = h.now(), h.now().Add(time.Hour), mine[0].Sealed
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
