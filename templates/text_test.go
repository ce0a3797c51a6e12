package templates

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryErrorCodeHasWords(t *testing.T) {
	for code := range errorTexts {
		title, happened, todo := ErrorText(code)
		if title == "" || strings.HasSuffix(title, ".") {
			t.Errorf("%s: title %q", code, title)
		}
		for _, sentence := range []string{happened, todo} {
			if !strings.HasSuffix(sentence, ".") {
				t.Errorf("%s: %q is not a sentence", code, sentence)
			}
		}
	}
}

func TestPageCodesStandForOAuthCodes(t *testing.T) {
	for code, words := range errorTexts {
		if words.oauth == "" {
			continue
		}
		if base, ok := errorTexts[words.oauth]; !ok || base.oauth != "" {
			t.Errorf("%s stands for %q, which is not an OAuth code", code, words.oauth)
		}
	}
	for code, want := range map[string]string{
		"redirect_uri_mismatch": "invalid_request", "unknown_client": "invalid_client", "invalid_scope": "invalid_scope", "made_up": "made_up",
	} {
		if got := OAuthCode(code); got != want {
			t.Errorf("OAuthCode(%q) = %q, want %q", code, got, want)
		}
	}
}

func TestAnUnknownErrorCodeGetsAGeneralText(t *testing.T) {
	title, _, _ := ErrorText("<script>")
	if want, _, _ := ErrorText("server_error"); title != want {
		t.Errorf("title = %q", title)
	}
}

func TestNewErrorPageNamesBothCodes(t *testing.T) {
	p := NewErrorPage("session_expired", "req_1")
	if p.Code != "access_denied" || p.Reason != "session_expired" || p.Reference != "req_1" || p.Todo == "" {
		t.Errorf("%+v", p)
	}
	if p := NewErrorPage("invalid_scope", "req_1"); p.Code != "invalid_scope" || p.Reason != "" {
		t.Errorf("%+v", p)
	}
}

func TestScopeSentence(t *testing.T) {
	for _, scope := range []string{"openid", "profile", "email", "address", "phone", "offline_access"} {
		if sentence, ok := ScopeSentence(scope); !ok || sentence == "" {
			t.Errorf("no words for %s", scope)
		}
	}
	if _, ok := ScopeSentence("monitor:read"); ok {
		t.Error("monitor:read is not a scope of OpenID Connect")
	}
}

func TestConsentShowsEveryScopeOnceAccessFirst(t *testing.T) {
	p := sampleConsent()
	var shown []string
	for _, group := range p.ScopeGroups() {
		for _, s := range group.Items {
			shown = append(shown, s.Name)
		}
	}
	want := []string{"monitor:read", "alert:write", "offline_access", "openid", "profile", "email"}
	if !slices.Equal(shown, want) {
		t.Errorf("shown %v, want %v", shown, want)
	}
}

func TestLifetimeInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * 24 * time.Hour: "30 days", 24 * time.Hour: "1 day", time.Hour: "1 hour", 36 * time.Hour: "36 hours",
		90 * time.Minute: "90 minutes", 61 * time.Second: "2 minutes", time.Second: "1 minute",
	} {
		if got := lifetimeWords(d); got != want {
			t.Errorf("lifetimeWords(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestUnknownIconIsAnError(t *testing.T) {
	if _, err := icon("no such icon"); err == nil {
		t.Error("no error")
	}
}
