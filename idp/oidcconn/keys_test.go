package oidcconn

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/idp"
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
	r.clock.Forward(2 * time.Minute)
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
	r.clock.Forward(2 * time.Minute)
	for range 5 {
		r.refused()
	}
	if n := r.op.Seen("/jwks"); n != 2 {
		t.Errorf("the keys were fetched %d times, want 2", n)
	}
	r.clock.Forward(time.Minute)
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
	r.clock.Forward(discoveryAge)
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
	r.clock.Forward(staleAge - time.Minute)
	r.succeeds("just under a day")
	r.clock.Forward(time.Minute)
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
	r.clock.Forward(discoveryAge - time.Second)
	ask()
	if n := r.op.Seen("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("discovery was read %d times within the hour, want 1", n)
	}
	r.clock.Forward(time.Second)
	ask()
	if n := r.op.Seen("/.well-known/openid-configuration"); n < 2 {
		t.Error("discovery was not read again after an hour")
	}
}

// A set that is older than a day is not believed, however long the provider is away.
func TestKeysAreNotBelievedAfterADay(t *testing.T) {
	r := newRoom(t)
	cfg := Config{Client: r.op.Client, Now: r.clock.Now}
	k := newKeySet(cfg, r.op.Issuer+"/jwks", defaultAlgs)
	token := optest.Sign(r.op.Keys[0], nil, []byte(`{}`))
	any := acceptable{types: []string{"jwt"}}
	if _, err := k.verify(t.Context(), token, any); err != nil {
		t.Fatal(err)
	}
	r.op.Intercept = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	k.cfg.Client = &http.Client{Transport: outages{r.op.Client.Transport}}
	r.clock.Forward(staleAge - time.Second)
	if _, err := k.verify(t.Context(), token, any); err != nil {
		t.Errorf("within the day: %v", err)
	}
	r.clock.Forward(time.Second)
	if _, err := k.verify(t.Context(), token, any); !errors.Is(err, idp.ErrUpstreamUnavailable) {
		t.Errorf("after a day: %v, want ErrUpstreamUnavailable", err)
	}
}

// A removed key dies at the first reading without it: a token of an unknown key brings
// that about at once.
func TestRemovedKeyStopsWorkingWhenTheKeysAreReadAgain(t *testing.T) {
	r := newRoom(t)
	r.succeeds("first key")
	old := r.op.Keys[0]
	r.op.Keys = []jose.JSONWebKey{optest.ECKey("ec-1")}
	r.clock.Forward(retryAge)
	r.succeeds("the new key")
	r.op.Sign = func(payload []byte) string { return optest.Sign(old, nil, payload) }
	r.refused()
}

// However many tokens of unknown keys come at once, and of whatever kind.
func TestAttackUnknownKeysOfLogoutTokensCauseOneFetchAMinute(t *testing.T) {
	r := newRoom(t)
	r.succeeds("first key")
	r.clock.Forward(2 * time.Minute)
	good := r.op.Keys[0]
	stranger := attackerKey(t)
	stranger.KeyID = "unknown"
	r.op.Keys = []jose.JSONWebKey{stranger}
	forged := r.op.Logout(map[string]any{"sid": "s"}, nil)
	r.op.Keys = []jose.JSONWebKey{good}
	c := r.connector().(idp.LogoutVerifier)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.VerifyLogout(t.Context(), forged); err == nil {
				t.Error("believed")
			}
		})
	}
	wg.Wait()
	if n := r.op.Seen("/jwks"); n != 2 {
		t.Errorf("the keys were fetched %d times, want 2", n)
	}
}
