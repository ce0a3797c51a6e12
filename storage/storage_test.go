package storage_test

import (
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func TestConsentIsForAHostWithoutPortAndForSortedAudiences(t *testing.T) {
	for uri, want := range map[string]string{
		"https://App.example.com:8443/cb": "app.example.com", "http://127.0.0.1:8082/cb": "127.0.0.1",
		"http://[::1]:5/cb": "::1", "com.example.app:/cb": "com.example.app:", ":": "",
	} {
		if got := storage.RedirectHost(uri); got != want {
			t.Errorf("RedirectHost(%s) = %q, want %q", uri, got, want)
		}
	}
	if a, b := storage.ResourceKey([]string{"y", "x"}), storage.ResourceKey([]string{"x", "y"}); a != b || a != "x y" {
		t.Errorf("%q and %q", a, b)
	}
}

func TestLifeFailsOnEverythingItHangsOn(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	before := now.Add(-time.Minute)
	for want, l := range map[string]storage.Life{
		"":                           {GrantExpiresAt: now.Add(1), SessionExpiresAt: now.Add(1)},
		"tenant_suspended":           {TenantSuspendedAt: before},
		"issued_before_interruption": {TokensNotBefore: before},
		"client_disabled":            {ClientDisabledAt: before},
		"grant_revoked":              {GrantRevokedAt: before},
		"grant_expired":              {GrantExpiresAt: now},
		"user_disabled":              {UserDisabledAt: before},
		"session_ended":              {SessionEndedAt: before},
		"session_expired":            {SessionExpiresAt: now},
		"connection_disabled":        {ConnectionDisabledAt: before},
	} {
		if got := l.Dead(now); got != want {
			t.Errorf("%+v: %q, want %q", l, got, want)
		}
	}
}

func TestIDsSortByTimeAndSayWhatTheyAre(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	a, b := storage.NewUserID(now), storage.NewUserID(now.Add(time.Millisecond))
	if !(a < b) || len(a) != len("usr_")+26 || a[:4] != "usr_" {
		t.Errorf("%s and %s", a, b)
	}
	for id, reserved := range map[string]bool{"demo-spa": false, "app_x": false, "usr_x": true, "ten_x": true, "https://x/": true} {
		if storage.ReservedClientID(id) != reserved {
			t.Errorf("ReservedClientID(%s) = %v", id, !reserved)
		}
	}
}

func TestSessionTellsTheStrongestContextUnlessAnAppWantsAnother(t *testing.T) {
	for _, c := range []struct {
		session storage.Session
		wanted  []string
		told    string
	}{
		{storage.Session{}, nil, ""},
		{storage.Session{ACR: "urn:password"}, nil, "urn:password"},
		{storage.Session{ACR: "urn:password", Level: storage.LevelMFA}, nil, "mfa"},
		{storage.Session{ACR: "urn:password", Level: storage.LevelPHR}, []string{"urn:password"}, "urn:password"},
		{storage.Session{ACR: "urn:password", Level: storage.LevelPHR}, []string{"mfa", "phr"}, "mfa"},
		{storage.Session{ACR: "phr"}, []string{"phr"}, ""},
		{storage.Session{ACR: "mfa"}, nil, ""},
		{storage.Session{ACR: "phr", Level: storage.LevelMFA}, []string{"phr"}, "mfa"},
	} {
		if told := c.session.ContextFor(c.wanted); told != c.told {
			t.Errorf("%+v, wanted %v: %q, want %q", c.session, c.wanted, told, c.told)
		}
	}
}
