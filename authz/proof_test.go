package authz

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// TK-09: the form of a verifier counts even where its hash fits.
func TestVerifierHasToHaveTheForm(t *testing.T) {
	t.Parallel()
	for verifier, good := range map[string]bool{
		strings.Repeat("a", 43): true, strings.Repeat("~", 128): true, strings.Repeat("a", 42): false, strings.Repeat("a", 129): false,
		strings.Repeat("a", 43) + "!": false, strings.Repeat("a", 43) + "\n": false, "": false,
	} {
		sum := sha256.Sum256([]byte(verifier))
		if got := verifierMatches(base64.RawURLEncoding.EncodeToString(sum[:]), verifier); got != good {
			t.Errorf("%q: %v", verifier, got)
		}
	}
	if !verifierMatches("", "") || verifierMatches("", strings.Repeat("a", 43)) {
		t.Error("no challenge, no verifier, and the other way round")
	}
}

// RF-08: the family's end is one of its own, whatever else says.
func TestRefreshTokenEndsWithItsFamily(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	live := &storage.LiveRefresh{
		RefreshToken: storage.RefreshToken{Client: "web", IdleUntil: now.Add(time.Hour), ExpiresAt: now},
		Family:       storage.Grant{ExpiresAt: now.Add(time.Hour)},
	}
	if why := checkRefresh(storage.Client{ID: "web"}, live, now); why != "expired" {
		t.Errorf("the token's end: %q", why)
	}
	live.ExpiresAt, live.Family.ExpiresAt = now.Add(time.Hour), now
	if why := checkRefresh(storage.Client{ID: "web"}, live, now); why != "expired" {
		t.Errorf("the family's end: %q", why)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	m := newMemory[int, int](time.Second)
	for i := range 3 * maxRemembered {
		m.put(i, i, now)
	}
	if len(m.entries) > maxRemembered {
		t.Errorf("%d entries", len(m.entries))
	}
	if v, ok := m.get(3*maxRemembered-1, now); !ok || v != 3*maxRemembered-1 {
		t.Error("the newest is forgotten")
	}
	if _, ok := m.get(3*maxRemembered-1, now.Add(time.Second)); ok {
		t.Error("what is over is remembered")
	}
	if _, ok := m.get(3*maxRemembered-1, now.Add(-time.Second)); ok {
		t.Error("a clock that went back must not keep it")
	}
}

// AZ-31: what a public client was once given counts for nothing.
func TestPublicClientAsksWhateverIsRemembered(t *testing.T) {
	t.Parallel()
	req := storage.AuthorizeRequest{Scopes: []string{"openid"}}
	given := &storage.Consent{Scopes: []string{"openid"}, ClientVersion: 1}
	confidential, public := storage.Client{AuthMethod: storage.AuthBasic, Version: 1}, storage.Client{AuthMethod: storage.AuthNone, Version: 1}
	if needsConsent(req, confidential, given) || !needsConsent(req, public, given) {
		t.Error("a confidential client is remembered, a public one is not")
	}
}

// AZ-19: one resource has one identity.
func TestSameResource(t *testing.T) {
	t.Parallel()
	for pair, same := range map[[2]string]bool{
		{"https://api.example.com", "https://api.example.com/"}: true, {"https://api.example.com/v1/", "https://api.example.com/v1"}: true,
		{"https://api.example.com", "HTTPS://API.example.com"}: true, {"urn:example:api", "URN:example:api"}: true,
		{"https://api.example.com", "https://api.example.com//"}: false, {"https://api.example.com/V1", "https://api.example.com/v1"}: false,
		{"https://api.example.com", "https://api.example.com?x"}: false, {"https://api.example.com", "https://api.example.com#"}: false,
		{"https://api.example.com", "https://u@api.example.com"}: false, {"", ""}: false, {"api", "api"}: false,
		{"https://api.example.com", "https://api.example.com:443"}: false,
	} {
		if sameResource(pair[0], pair[1]) != same {
			t.Errorf("%q and %q: want same = %v", pair[0], pair[1], same)
		}
	}
}
