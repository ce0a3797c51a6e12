package manage

import (
	"net/http"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// prove is what somebody proved of second factors, and how long ago.
func (w *world) prove(who string, level storage.Level, ago time.Duration) {
	w.set(func() {
		p := w.who[who]
		p.Level, p.MFATime = level, w.now.Add(-ago)
		w.who[who] = p
	})
}

// policy changes a tenant's.
func (w *world) policy(id storage.TenantID, p storage.TenantPolicy) {
	w.t.Helper()
	t, err := w.store.TenantByID(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	t.Policy = p
	ev := storage.Event{ID: storage.NewEventID(w.now), Time: w.now, Kind: "tenant.updated", Outcome: "success", Tenant: id}
	if err := w.store.UpdateTenant(w.t.Context(), t, ev); err != nil {
		w.t.Fatal(err)
	}
}

// TestStolenTokenOfASignInWithOneFactorIssuesCredentials is what an access token
// alone is not good for (MF-01, RFC 9470).
func TestStolenTokenOfASignInWithOneFactorIssuesCredentials(t *testing.T) {
	w := newWorld(t)
	none, hour, day := time.Duration(0), time.Hour, 24*time.Hour
	for name, c := range map[string]struct {
		policy    storage.TenantPolicy
		level     storage.Level
		ago       time.Duration
		challenge string // "" when it is done
	}{
		"one factor":                 {storage.TenantPolicy{}, storage.LevelNone, none, `acr_values="mfa", max_age="3600"`},
		"two factors":                {storage.TenantPolicy{}, storage.LevelMFA, none, ""},
		"two factors, an hour ago":   {storage.TenantPolicy{}, storage.LevelMFA, hour, ""},
		"two factors, long ago":      {storage.TenantPolicy{}, storage.LevelMFA, 2 * hour, `acr_values="mfa", max_age="3600"`},
		"longer where that is said":  {storage.TenantPolicy{CredentialMFAAge: day}, storage.LevelMFA, 2 * hour, ""},
		"shorter where that is said": {storage.TenantPolicy{CredentialMFAAge: time.Minute}, storage.LevelMFA, hour, `acr_values="mfa", max_age="60"`},
		"the tenant wants passkeys":  {storage.TenantPolicy{RequireLevel: storage.LevelPHR}, storage.LevelMFA, none, `acr_values="phr", max_age="3600"`},
		"a passkey":                  {storage.TenantPolicy{RequireLevel: storage.LevelPHR}, storage.LevelPHR, none, ""},
		"the rule is lifted":         {storage.TenantPolicy{CredentialsWithoutMFA: true}, storage.LevelNone, none, ""},
		"lifted, but not for all":    {storage.TenantPolicy{CredentialsWithoutMFA: true, RequireLevel: storage.LevelMFA}, storage.LevelNone, none, `acr_values="mfa"`},
	} {
		w.policy(acme, c.policy)
		w.prove("alice", c.level, c.ago)
		r := w.ask("POST", "/v1/things/1/arm", "", asAlice)
		if c.challenge == "" {
			if r.StatusCode != http.StatusNoContent {
				t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
			}
			continue
		}
		w.refused(r, MFARequired)
		want := `Bearer realm="https://auth.example", error="insufficient_user_authentication", ` + c.challenge
		if got := r.Header.Get("WWW-Authenticate"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestOnlyWhatIssuesCredentialsAsksForASecondFactor(t *testing.T) {
	w := newWorld(t)
	w.prove("alice", storage.LevelNone, 0)
	if r := w.create(lamp, "", asAlice); r.StatusCode != http.StatusCreated {
		t.Error(r.StatusCode, r.body)
	}
	w.set(func() {
		w.who["key8"] = Principal{Tenant: acme, User: "usr_alice", Key: "key_8", Secret: "key8", Scopes: []string{"things:write"}}
	})
	if r := w.ask("POST", "/v1/things/1/arm", "", "X-API-Key: key8"); r.StatusCode != http.StatusNoContent {
		t.Errorf("a key has no sign-in behind it, and may what it was given: %d %s", r.StatusCode, r.body)
	}
}

func TestScopeIsAskedForBeforeTheSecondFactor(t *testing.T) {
	w := newWorld(t)
	w.refused(w.ask("POST", "/v1/things/1/arm", "", asReader), InsufficientScope)
}
