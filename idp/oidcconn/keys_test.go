package oidcconn

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/idp/oidcconn/optest"
)

func (r *room) succeeds(why string) {
	r.t.Helper()
	if _, err := r.signIn(); err != nil {
		r.t.Fatalf("%s: %v", why, err)
	}
}

func TestRotatedKeyIsFetched(t *testing.T) {
	r := newRoom(t)
	r.succeeds("first key")
	r.clock.forward(2 * time.Minute)
	r.op.Keys = []jose.JSONWebKey{optest.ECKey("ec-1")}
	r.succeeds("a new key, of another kind")
	if n := r.op.Seen("/jwks"); n != 2 {
		t.Errorf("the keys were fetched %d times, want 2", n)
	}
}

func TestUnknownKeysCauseOneFetchAMinute(t *testing.T) {
	r := newRoom(t)
	r.succeeds("first key")
	stranger := attackerKey(t)
	stranger.KeyID = "unknown"
	r.op.Sign = func(payload []byte) string { return optest.Sign(stranger, nil, payload) }
	r.clock.forward(2 * time.Minute)
	for range 5 {
		r.refused()
	}
	if n := r.op.Seen("/jwks"); n != 2 {
		t.Errorf("the keys were fetched %d times, want 2", n)
	}
	r.clock.forward(time.Minute)
	r.refused()
	if n := r.op.Seen("/jwks"); n != 3 {
		t.Errorf("the keys were fetched %d times a minute later, want 3", n)
	}
}

func TestRemovedKeyStopsWorking(t *testing.T) {
	r := newRoom(t)
	r.succeeds("first key")
	old := r.op.Keys[0]
	r.op.Keys = []jose.JSONWebKey{optest.ECKey("ec-1")}
	r.op.Sign = func(payload []byte) string { return optest.Sign(old, nil, payload) }
	r.clock.forward(discoveryAge)
	r.refused()
}

func TestKeysServeForADayWhileTheProviderIsAway(t *testing.T) {
	r := newRoom(t)
	r.succeeds("first key")
	r.op.Intercept = func(w http.ResponseWriter, req *http.Request) bool {
		away := req.URL.Path == "/jwks" || req.URL.Path == "/.well-known/openid-configuration"
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return away
	}
	r.clock.forward(staleAge - time.Minute)
	r.succeeds("just under a day")
	r.clock.forward(time.Minute)
	if _, err := r.connector().AuthURL(t.Context(), request); err == nil {
		t.Error("a discovery document serves for longer than a day")
	}
}

func TestKidAbsentTriesTheKeysThatFit(t *testing.T) {
	r := newRoom(t)
	signing := r.op.Keys[0]
	r.op.Keys = []jose.JSONWebKey{optest.ECKey("ec-1"), attackerKey(t), signing}
	nameless := signing
	nameless.KeyID = ""
	r.op.Sign = func(payload []byte) string { return optest.Sign(nameless, nil, payload) }
	r.succeeds("no kid, several keys")
}

func TestAttackEncryptionKeySigns(t *testing.T) {
	r := newRoom(t)
	r.op.Keys[0].Use = "enc"
	r.refused()
}

func TestKeysThatWeDoNotKnowArePassedOver(t *testing.T) {
	keys, err := parseKeys([]byte(`{"keys":[{"kty":"quantum","kid":"q"},{"kty":"oct","k":"c2VjcmV0","kid":"o"},7,null]}`))
	if err != nil || len(keys) != 0 {
		t.Errorf("keys = %v, err = %v; want none and nil", keys, err)
	}
}

func TestDiscoveryIsReadOnceAnHour(t *testing.T) {
	r := newRoom(t)
	c := r.connector()
	ask := func() {
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := c.AuthURL(t.Context(), request); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if _, err := c.AuthURL(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	r.clock.forward(discoveryAge - time.Second)
	ask()
	if n := r.op.Seen("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("discovery was read %d times within the hour, want 1", n)
	}
	r.clock.forward(time.Second)
	ask()
	if n := r.op.Seen("/.well-known/openid-configuration"); n < 2 {
		t.Error("discovery was not read again after an hour")
	}
}
