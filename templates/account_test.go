package templates

import (
	"io"
	"strings"
	"testing"
	"time"
)

var accountNow = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func before(d time.Duration) AccountMoment { return NewAccountMoment(accountNow.Add(-d), accountNow) }

func sampleFrame(tab string) AccountFrame {
	return AccountFrame{
		TenantName: "Acme Monitoring", UserEmail: "alice@acme.test", Base: "/account/acme", Tab: tab,
		SwitchURL: "/account", SignOutURL: "/oauth2/logout", CSRF: "tok",
	}
}

func sampleSessions() []AccountSession {
	return []AccountSession{
		{Device: "Firefox on Windows", Place: "Bern, Switzerland", IP: "192.0.2.7", Connection: "Acme Okta", Level: "phr", Present: true,
			SignedIn: before(3 * time.Hour), Seen: before(0), EndURL: "/oauth2/logout"},
		{Device: "Safari on an iPhone", Place: "Oslo, Norway", IP: "2001:db8::4711", Connection: "Acme Okta", Level: "mfa",
			SignedIn: before(26 * time.Hour), Seen: before(12 * time.Minute), EndURL: "/account/acme/sessions/ses_2"},
		{Device: "Unknown device", Connection: "Acme Okta", Pending: true, SignedIn: before(30 * time.Second), Seen: before(30 * time.Second),
			EndURL: "/account/acme/sessions/ses_3"},
	}
}

func sampleFactors() []AccountFactor {
	return []AccountFactor{
		{Name: "Alice’s laptop", Passkey: true, Added: before(300 * 24 * time.Hour), Used: before(3 * time.Hour), RemoveURL: "/account/acme/factors/fac_1", RenameURL: "/account/acme/factors/fac_1/name"},
		{Name: "Phone", Added: before(40 * 24 * time.Hour), RemoveURL: "/account/acme/factors/fac_2", RenameURL: "/account/acme/factors/fac_2/name"},
	}
}

func sampleApp() AccountApp {
	return AccountApp{
		Name: "Demo status board", ClientID: "demo-spa", Offline: true, Since: before(9 * 24 * time.Hour), WithdrawURL: "/account/acme/apps/demo-spa",
		Scopes: []ScopeItem{scopeItem("openid"), {Name: "monitor:read", Sentence: "See monitors, checks and their results"},
			{Name: "alert:write", Sentence: "Acknowledge, change and close alerts", Sensitive: true}},
	}
}

// accountSamples are the pages about a person's own account, filled the way the product
// fills them.
func accountSamples() map[string]writer {
	all := accountOverviewSamples()
	remove := AccountRemovePage{AccountFrame: sampleFrame(""), Action: "/account/acme/factors/fac_1", CancelURL: "/account/acme/security", Factor: sampleFactors()[0]}
	prove, needed := remove, remove
	prove.Prove, prove.Last, needed.Needed = true, true, true
	all["account-remove"] = func(w io.Writer) error { return AccountRemove(w, remove) }
	all["account-remove-prove"] = func(w io.Writer) error { return AccountRemove(w, prove) }
	all["account-remove-needed"] = func(w io.Writer) error { return AccountRemove(w, needed) }

	list := AccountSessionsPage{AccountFrame: sampleFrame(AccountTabSessions), Sessions: sampleSessions(), EndOthersURL: "/account/acme/sessions/others"}
	end := AccountEndPage{AccountFrame: sampleFrame(""), Action: "/account/acme/sessions/ses_2", CancelURL: "/account/acme/sessions",
		Session: sampleSessions()[1], Apps: []string{"Demo status board", "Release notes"}}
	others := AccountEndOthersPage{AccountFrame: sampleFrame(""), Action: "/account/acme/sessions/others", CancelURL: "/account/acme/sessions",
		Prove: true, Sessions: sampleSessions()[1:]}
	all["account-sessions"] = func(w io.Writer) error { return AccountSessions(w, list) }
	all["account-end"] = func(w io.Writer) error { return AccountEnd(w, end) }
	all["account-end-others"] = func(w io.Writer) error { return AccountEndOthers(w, others) }

	stranger := AccountApp{Name: "Release notes assistant for on-call teams", ClientID: "https://assistant.example/oauth/client.json", Unverified: true, ByKey: true,
		Scopes: []ScopeItem{scopeItem("email")}, Since: before(5 * time.Minute), WithdrawURL: "/account/acme/apps/x"}
	withdraw := AccountWithdrawPage{AccountFrame: sampleFrame(""), Action: "/account/acme/apps/demo-spa", CancelURL: "/account/acme/apps", App: sampleApp()}
	all["account-apps"] = func(w io.Writer) error {
		return AccountApps(w, AccountAppsPage{AccountFrame: sampleFrame(AccountTabApps), Apps: []AccountApp{sampleApp(), stranger}})
	}
	all["account-apps-none"] = func(w io.Writer) error {
		return AccountApps(w, AccountAppsPage{AccountFrame: sampleFrame(AccountTabApps)})
	}
	all["account-withdraw"] = func(w io.Writer) error { return AccountWithdraw(w, withdraw) }
	forgotten := withdraw
	forgotten.App.Remembered, forgotten.App.Offline = true, false
	all["account-withdraw-remembered"] = func(w io.Writer) error { return AccountWithdraw(w, forgotten) }
	all["account-apps-remembered"] = func(w io.Writer) error {
		return AccountApps(w, AccountAppsPage{AccountFrame: sampleFrame(AccountTabApps), Apps: []AccountApp{forgotten.App}})
	}
	rename := AccountNamePage{AccountFrame: sampleFrame(""), Action: "/account/acme/factors/fac_1/name", CancelURL: "/account/acme/security",
		Factor: sampleFactors()[0], Said: "Alice’s laptop"}
	nameless := rename
	nameless.Said, nameless.Problem = "", AccountNameMissing
	all["account-name"] = func(w io.Writer) error { return AccountName(w, rename) }
	all["account-name-problem"] = func(w io.Writer) error { return AccountName(w, nameless) }
	return all
}

func accountOverviewSamples() map[string]writer {
	own := AccountPage{
		AccountFrame: sampleFrame(AccountTabOverview), UserName: "Alice Archer", Role: "owner", RoleFrom: RoleFromProvider, Connection: "Acme Okta",
		SignedIn: before(3 * time.Hour), Confirmed: ConfirmedByProvider, ProviderSet: true,
	}
	unconfirmed := own
	unconfirmed.Notice, unconfirmed.SwitchURL, unconfirmed.Role, unconfirmed.RoleFrom = AccountMailTooOften, "", "member", RoleFromDefault
	unconfirmed.Confirmed, unconfirmed.ConfirmURL = ConfirmedByNobody, "/account/acme/address"
	security := AccountSecurityPage{
		AccountFrame: sampleFrame(AccountTabSecurity), Factors: sampleFactors(), Needed: "mfa", RecoveryCodes: 7,
		AddPasskeyURL: "/account/acme/security/passkey", AddAppURL: "/account/acme/security/app", RenewURL: "/account/acme/security/codes",
		Changed: true, OtherSessions: 2, EndOthersURL: "/account/acme/sessions/others",
	}
	security.Notice, security.Factors[1].RemoveURL = AccountFactorRemoved, ""
	none := security
	none.Factors, none.Needed, none.RenewURL, none.Changed, none.NoPasskeys, none.AddPasskeyURL, none.Notice = nil, "", "", false, true, "", ""
	return map[string]writer{
		"account":               func(w io.Writer) error { return Account(w, own) },
		"account-unconfirmed":   func(w io.Writer) error { return Account(w, unconfirmed) },
		"account-security":      func(w io.Writer) error { return AccountSecurity(w, security) },
		"account-security-none": func(w io.Writer) error { return AccountSecurity(w, none) },
		"account-choice": func(w io.Writer) error {
			return AccountSwitch(w, AccountChoicePage{Missing: true, SignOutURL: "/oauth2/logout", Choices: []AccountChoice{
				{TenantName: "Acme Monitoring", User: "alice@acme.test", URL: "/account/acme"},
				{TenantName: "Globex Corporation", User: "alice@globex.test", URL: "/account/globex"},
			}})
		},
	}
}

// accountHostile are the same pages with s in every text.
func accountHostile(s string) map[string]writer {
	own, choice, security := filled[AccountPage](s), filled[AccountChoicePage](s), filled[AccountSecurityPage](s)
	remove, list, end := filled[AccountRemovePage](s), filled[AccountSessionsPage](s), filled[AccountEndPage](s)
	others, apps, withdraw := filled[AccountEndOthersPage](s), filled[AccountAppsPage](s), filled[AccountWithdrawPage](s)
	named := filled[AccountNamePage](s)
	removable := remove
	removable.Needed = false
	return map[string]writer{
		"account":            func(w io.Writer) error { return Account(w, own) },
		"account-choice":     func(w io.Writer) error { return AccountSwitch(w, choice) },
		"account-security":   func(w io.Writer) error { return AccountSecurity(w, security) },
		"account-remove":     func(w io.Writer) error { return AccountRemove(w, remove) },
		"account-name":       func(w io.Writer) error { return AccountName(w, named) },
		"account-removable":  func(w io.Writer) error { return AccountRemove(w, removable) },
		"account-sessions":   func(w io.Writer) error { return AccountSessions(w, list) },
		"account-end":        func(w io.Writer) error { return AccountEnd(w, end) },
		"account-end-others": func(w io.Writer) error { return AccountEndOthers(w, others) },
		"account-apps":       func(w io.Writer) error { return AccountApps(w, apps) },
		"account-withdraw":   func(w io.Writer) error { return AccountWithdraw(w, withdraw) },
	}
}

func TestMomentsInWords(t *testing.T) {
	for ago, want := range map[time.Duration]string{
		-time.Hour: "just now", 0: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago", 119 * time.Second: "1 minute ago",
		59 * time.Minute: "59 minutes ago", time.Hour: "1 hour ago", 47 * time.Hour: "47 hours ago", 48 * time.Hour: "20 November 2026",
	} {
		if got := before(ago); got.Words != want || got.Exact == "" || got.ISO == "" {
			t.Errorf("%v ago is %+v, want %q", ago, got, want)
		}
	}
	if got := NewAccountMoment(time.Time{}, accountNow); got != (AccountMoment{}) {
		t.Errorf("never is %+v", got)
	}
}

func TestEveryFormOfTheAccountPagesHasItsToken(t *testing.T) {
	for name, write := range accountSamples() {
		for _, form := range elements(parsed(t, write), "form") {
			if got := hidden(form)[FieldCSRF]; got != "tok" || attr(form, "method") != "post" {
				t.Errorf("%s: a form to %s has method %q and token %q", name, attr(form, "action"), attr(form, "method"), got)
			}
		}
	}
}

func TestPagesThatAskDoNothingUntilItIsProvedWhoAsks(t *testing.T) {
	step := func(name string) string {
		for _, button := range elements(parsed(t, accountSamples()[name]), "button") {
			if attr(button, "name") == FieldStep {
				return attr(button, "value")
			}
		}
		return ""
	}
	for name, want := range map[string]string{
		"account-remove": StepDo, "account-remove-prove": StepProve, "account-remove-needed": "", "account-end": StepDo,
		"account-end-others": StepProve, "account-withdraw": StepDo,
	} {
		if got := step(name); got != want {
			t.Errorf("%s offers %q, want %q", name, got, want)
		}
	}
}

func TestAccountPagesSayWhatTheyMustSay(t *testing.T) {
	for name, words := range map[string][]string{
		"account":                     {"Alice Archer", "alice@acme.test", "Confirmed", "Owner", "says so each time", "Acme Okta", "Other organizations"},
		"account-unconfirmed":         {"Not confirmed", "Confirm the address", "Use the newest mail", "Member"},
		"account-choice":              {"not signed in at the organization", "Globex Corporation"},
		"account-security":            {"Alice’s laptop", "Passkey, added", "not used yet", "Has to stay", "You have 7 that work", "there are 2"},
		"account-remove-needed":       {"This factor has to stay"},
		"account-remove-prove":        {"First confirm that it is you", "It is your only one"},
		"account-sessions":            {"Firefox on Windows", "This one", "Oslo, Norway", "12 minutes ago", "Not complete", "End all others", "resists phishing"},
		"account-end":                 {"Demo status board", "lose the access"},
		"account-apps":                {"See monitors, checks and their results", "Also while you are away", "Not verified", "API key"},
		"account-apps-remembered":     {"No access now", "Allowed 13 November 2026", "again without asking you"},
		"account-withdraw-remembered": {"It has no access", "it asks you"},
		"account-name":                {"Rename", "Alice’s laptop"},
		"account-name-problem":        {"Give it a name."},
		"account-withdraw":            {"What this breaks", "stops working for you", "while you are away", "demo-spa"},
	} {
		said := text(parsed(t, accountSamples()[name]))
		for _, w := range words {
			if !strings.Contains(said, w) {
				t.Errorf("%s does not say %q: %s", name, w, said)
			}
		}
	}
}

func TestOneTabIsCurrent(t *testing.T) {
	for name, want := range map[string]int{"account": 1, "account-security": 1, "account-sessions": 1, "account-apps": 1, "account-end": 0} {
		current := 0
		for _, link := range elements(parsed(t, accountSamples()[name]), "a") {
			if attr(link, "aria-current") == "page" {
				current++
			}
		}
		if current != want {
			t.Errorf("%s: %d tabs are current", name, current)
		}
	}
}
