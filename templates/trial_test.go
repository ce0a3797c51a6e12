package templates

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func sampleTrial() TrialPage {
	return TrialPage{
		TenantName: "Acme Monitoring", ConnectionName: "Acme (Okta)", Works: true,
		Findings: []TrialFinding{
			{Check: "discovery", Verdict: "ok", Detail: "The provider’s discovery document names the issuer that the connection pins."},
			{Check: "clock", Verdict: "unknown", Detail: "The provider does not say what time it has."},
			{Check: "address", Verdict: "warning", Detail: "The provider does not say that the address is verified.", Remedy: "Let the provider send email_verified."},
			{Check: "role", Verdict: "ok", Detail: "The person would be admin."},
		},
		Claims: []TrialClaim{{"email", `"alice@acme.test"`}, {"groups", `["everyone","sre"]`}, {"sub", `"00u1a2b3"`}},
		Role:   "admin", RoleClaim: "groups", RoleValues: []string{"everyone", "sre"},
	}
}

func trialSamples() map[string]writer {
	refused := sampleTrial()
	refused.Works, refused.Role, refused.RoleValues = false, "", nil
	refused.Findings[3] = TrialFinding{Check: "role", Verdict: "failed", Detail: "The claim groups did not come.", Remedy: "Let the provider send it."}
	bare := TrialPage{
		TenantName: "Acme Monitoring", ConnectionName: "Acme", Role: "member",
		Findings: []TrialFinding{{Check: "answer", Verdict: "failed", Detail: "The provider did not answer, or not in time.", Remedy: "Check the issuer."}},
	}
	asked := NewErrorPage("no_role", "req_01jd5h8x3v9k2m")
	asked.Detail = Remark("", "it@acme.test, or the help desk in room 12")
	both := NewErrorPage("tenant_suspended", "req_01jd5h8x3v9k2m")
	both.Detail = Remark("The invoice of March is unpaid.", "billing@watch.example")
	elsewhere := NewErrorPage("sso_required", "req_01jd5h8x3v9k2m")
	elsewhere.Detail = Remark(SSOThrough("Acme (Okta)"), "")
	return map[string]writer{
		"trial":         func(w io.Writer) error { return Trial(w, sampleTrial()) },
		"trial-refused": func(w io.Writer) error { return Trial(w, refused) },
		"trial-bare":    func(w io.Writer) error { return Trial(w, bare) },
		"error-no-role": func(w io.Writer) error { return Error(w, asked) },
		"error-contact": func(w io.Writer) error { return Error(w, both) },
		"error-sso":     func(w io.Writer) error { return Error(w, elsewhere) },
	}
}

func trialHostile(s string) map[string]writer {
	p := filled[TrialPage](s)
	return map[string]writer{"trial": func(w io.Writer) error { return Trial(w, p) }}
}

func TestRefusalSaysWhyAndWhomToAsk(t *testing.T) {
	for name, c := range map[string]struct{ says, not []string }{
		"error-no-role": {[]string{"Whom to ask: it@acme.test, or the help desk in room 12", "no_role"}, []string{"Reason given"}},
		"error-contact": {[]string{"Reason given: The invoice of March is unpaid.", "Whom to ask: billing@watch.example"}, []string{"Ask an administrator"}},
		"error-sso":     {[]string{"Reason given: People with an address like yours sign in through “Acme (Okta)”"}, []string{"Whom to ask"}},
	} {
		said := text(parsed(t, samples()[name]))
		for _, want := range c.says {
			if !strings.Contains(said, want) {
				t.Errorf("%s lacks %q: %s", name, want, said)
			}
		}
		for _, word := range c.not {
			if strings.Contains(said, word) {
				t.Errorf("%s says %q", name, word)
			}
		}
	}
}

// A reason cannot put words into the line that says whom to ask.
func TestAttackReasonThatNamesAContact(t *testing.T) {
	p := NewErrorPage("tenant_suspended", "r")
	p.Detail = Remark("Unpaid"+remarkMark+"mallory@evil.example", "it@acme.test")
	var page bytes.Buffer
	if err := Error(&page, p); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "Whom to ask: <bdi>it@acme.test</bdi>") || strings.Contains(page.String(), "ask: <bdi>mallory") {
		t.Error(page.String())
	}
}

func TestTrialPageSaysWhatToDo(t *testing.T) {
	said := text(parsed(t, trialSamples()["trial-refused"]))
	for _, want := range []string{
		"This connection does not work yet", "Nobody was signed in", "Failed", "Look at this", "Not known", "What to do: Let the provider send it.",
		"None: this person would be refused", `["everyone","sre"]`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the page lacks %q: %s", want, said)
		}
	}
}
