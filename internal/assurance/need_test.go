package assurance

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

var at = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func ago(d time.Duration) time.Time { return at.Add(-d) }

func TestNeed(t *testing.T) {
	rules := Rules{CredentialScopes: []string{"api-keys:write"}}
	age := int64(300)
	for name, c := range map[string]struct {
		req    storage.AuthorizeRequest
		policy storage.TenantPolicy
		has    storage.Session
		want   storage.Need
	}{
		"nothing": {},
		"the tenant's policy": {
			policy: storage.TenantPolicy{RequireLevel: storage.LevelPHR}, want: storage.Need{Level: storage.LevelPHR},
		},
		"a new sign-in": {req: storage.AuthorizeRequest{Prompt: []string{"login"}}, want: storage.Need{Fresh: at}},
		"an age":        {req: storage.AuthorizeRequest{MaxAge: &age}, want: storage.Need{Fresh: ago(5 * time.Minute)}},
		"a level": {
			req: storage.AuthorizeRequest{ACRValues: []string{"mfa"}}, want: storage.Need{Level: storage.LevelMFA},
		},
		"the weakest of two levels": {
			req: storage.AuthorizeRequest{ACRValues: []string{"phr", "mfa"}}, want: storage.Need{Level: storage.LevelMFA},
		},
		"essential contexts alone count": {
			req: storage.AuthorizeRequest{EssentialACR: []string{"phr"}, ACRValues: []string{"mfa"}}, has: storage.Session{Level: storage.LevelMFA},
			want: storage.Need{Level: storage.LevelPHR},
		},
		"a level with an age: the factor is no older": {
			req: storage.AuthorizeRequest{ACRValues: []string{"mfa"}, MaxAge: &age}, has: storage.Session{Level: storage.LevelMFA},
			want: storage.Need{Level: storage.LevelMFA, Since: ago(5 * time.Minute), Fresh: ago(5 * time.Minute)},
		},
		"the provider's own context is enough": {
			req: storage.AuthorizeRequest{ACRValues: []string{"urn:two", "mfa"}}, has: storage.Session{ACR: "urn:two"},
		},
		"contexts that only a provider knows": {req: storage.AuthorizeRequest{ACRValues: []string{"urn:two"}}},
		"scopes that issue credentials": {
			req:  storage.AuthorizeRequest{Scopes: []string{"openid", "api-keys:write"}},
			want: storage.Need{Level: storage.LevelMFA, Since: ago(time.Hour)},
		},
		"as the policy says": {
			req: storage.AuthorizeRequest{Scopes: []string{"api-keys:write"}}, policy: storage.TenantPolicy{CredentialMFAAge: time.Minute, RequireLevel: storage.LevelPHR},
			want: storage.Need{Level: storage.LevelPHR, Since: ago(time.Minute)},
		},
		"or lifts": {
			req: storage.AuthorizeRequest{Scopes: []string{"api-keys:write"}}, policy: storage.TenantPolicy{CredentialsWithoutMFA: true},
		},
	} {
		c.req.At = at
		if diff := cmp.Diff(c.want, rules.Need(c.req, c.policy, c.has)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNeedIsMetByWhatItAsksFor(t *testing.T) {
	need := storage.Need{Level: storage.LevelMFA, Since: ago(time.Hour), Fresh: ago(2 * time.Hour)}
	good := storage.Session{Level: storage.LevelPHR, MFAAt: ago(time.Minute), AuthTime: ago(time.Hour)}
	if !need.Met(good) {
		t.Error("a session that has it all is refused")
	}
	for name, change := range map[string]func(*storage.Session){
		"a weaker level":                  func(s *storage.Session) { s.Level = storage.LevelNone },
		"a factor from before":            func(s *storage.Session) { s.MFAAt = ago(62 * time.Minute) },
		"an older sign-in":                func(s *storage.Session) { s.AuthTime = ago(122 * time.Minute) },
		"a sign-in of which nobody knows": func(s *storage.Session) { s.AuthTime = time.Time{} },
	} {
		s := good
		change(&s)
		if need.Met(s) {
			t.Errorf("%s: met", name)
		}
	}
}
