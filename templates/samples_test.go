package templates

import (
	"io"
	"maps"
	"time"
)

// writer renders one filled page.
type writer func(io.Writer) error

var samplePeople = []DemoPerson{
	{Login: "alice@acme.test", Name: "Alice Archer", Role: "owner", Tenant: "Acme Monitoring"},
	{Login: "bob@acme.test", Name: "Bob Brandt", Role: "member", Tenant: "Acme Monitoring"},
	{Login: "victor@acme.test", Name: "Victor Vance", Role: "viewer", Tenant: "Acme Monitoring"},
	{Login: "carol@globex.test", Name: "Carol Castillo", Role: "owner", Tenant: "Globex Corporation"},
}

var sampleState = State{Transaction: "txn_sample", Verifier: "ver_sample"}

func sampleConsent() ConsentPage {
	return ConsentPage{
		Action: "/login/consent", State: sampleState,
		AppName: "Demo status board", ClientID: "demo-spa", RedirectHost: "127.0.0.1:8082",
		TenantName: "Acme Monitoring", UserName: "Alice Archer", UserEmail: "alice@acme.test",
		Scopes: []ScopeItem{
			scopeItem("openid"), scopeItem("profile"), scopeItem("email"), scopeItem("offline_access"),
			{Name: "monitor:read", Sentence: "See monitors, checks and their results"},
			{Name: "alert:write", Sentence: "Acknowledge, change and close alerts", Sensitive: true},
		},
		Offline: true, Lifetime: 30 * 24 * time.Hour,
	}
}

func scopeItem(scope string) ScopeItem {
	sentence, _ := ScopeSentence(scope)
	return ScopeItem{Name: scope, Sentence: sentence}
}

func sampleDemoApp() DemoAppPage {
	return DemoAppPage{
		AppName: "Demo status board", SignOut: "/signout", CallAgainURL: "/",
		User: &DemoUser{
			Name: "Alice Archer", Email: "alice@acme.test", Tenant: "Acme Monitoring", Slug: "acme",
			Scopes:  []string{"openid", "profile", "email", "offline_access", "monitor:read", "alert:write"},
			Expires: "in 59 minutes",
		},
		Calls: []DemoCall{
			{Method: "GET", Path: "/t/acme/monitors", Status: 200, Note: "The token is good for Acme Monitoring, and has monitor:read.",
				Table: &DemoTable{Caption: "Monitors of Acme Monitoring", Columns: []string{"Monitor", "Target", "State", "Last check"}, Rows: [][]string{
					{"Checkout", "https://shop.acme.test/checkout", "up", "20 s ago"},
					{"Public API", "https://api.acme.test/health", "degraded", "35 s ago"},
					{"Mail relay", "smtp.acme.test:587", "down", "1 min ago"},
				}}, Body: `{"monitors":[{"id":"mon_1","name":"Checkout","state":"up"}]}`},
			{Method: "GET", Path: "/t/globex/monitors", Status: 404, Refusal: true,
				Note: "The token belongs to Acme Monitoring. For it, Globex Corporation does not exist.",
				Body: `{"error":"not_found","error_description":"there is nothing here for this access token"}`},
			{Method: "GET", Path: "/t/acme/alerts", Status: 200, Note: "Alerts of the same tenant.",
				Table: &DemoTable{Caption: "Alerts of Acme Monitoring", Columns: []string{"Alert", "Monitor", "State"}, Rows: [][]string{
					{"Latency above 800 ms", "Public API", "open"}, {"No answer for 3 checks", "Mail relay", "acknowledged"},
				}}},
		},
	}
}

// samples are all pages, filled the way the product fills them.
func samples() map[string]writer {
	warned := sampleConsent()
	warned.AppName, warned.ClientID, warned.RedirectHost = "Release notes assistant for on-call teams", "https://assistant.example/oauth/client.json", "localhost:49152"
	warned.Unverified, warned.LoopbackOnly, warned.Offline, warned.Lifetime = true, true, false, time.Hour
	warned.Resources, warned.SwitchURL = []string{"https://mcp.example.com/"}, "/login/switch"
	failure := NewErrorPage("redirect_uri_mismatch", "req_01jd5h8x3v9k2m")
	expired := NewErrorPage("session_expired", "req_01jd5h8x3v9k2m")
	expired.LinkURL, expired.LinkLabel = ErrorLink("session_expired")
	suspended := NewErrorPage("tenant_suspended", "req_01jd5h8x3v9k2m")
	suspended.Detail = "The invoice of March is unpaid. Write to billing@watch.example."
	all := map[string]writer{
		"signin": func(w io.Writer) error {
			return SignIn(w, SignInPage{Action: "/login", State: sampleState, AppName: "Demo status board"})
		},
		"signin-error": func(w io.Writer) error {
			return SignIn(w, SignInPage{Action: "/login", State: sampleState, AppName: "Demo status board", Email: "alice@", Error: EmailMalformed})
		},
		"tenant-choice": func(w io.Writer) error {
			return TenantChoice(w, TenantChoicePage{Action: "/login/tenant", State: sampleState, AppName: "Demo status board", Choices: []TenantChoiceItem{
				{Slug: "acme", Name: "Acme Monitoring", User: "alice@acme.test", SignedIn: true},
				{Slug: "globex", Name: "Globex Corporation", User: "alice@globex.test", SignedIn: true},
				{Slug: "initech", Name: "Initech Holdings"},
			}})
		},
		"api-docs":        func(w io.Writer) error { return APIDocs(w, sampleAPIDocs()) },
		"consent":         func(w io.Writer) error { return Consent(w, sampleConsent()) },
		"consent-warned":  func(w io.Writer) error { return Consent(w, warned) },
		"error":           func(w io.Writer) error { return Error(w, failure) },
		"error-with-link": func(w io.Writer) error { return Error(w, expired) },
		"error-suspended": func(w io.Writer) error { return Error(w, suspended) },
		"signed-in": func(w io.Writer) error {
			return SignedIn(w, SignedInPage{AccountURL: "/account", SignOutURL: "/oauth2/logout", SignInURL: "/login?another=1", Sessions: []SessionItem{
				{TenantName: "Acme Monitoring", User: "alice@acme.test"}, {TenantName: "Globex Corporation", User: "alice@globex.test"},
			}})
		},
		"signed-in-once": func(w io.Writer) error {
			return SignedIn(w, SignedInPage{SignOutURL: "/oauth2/logout", Sessions: []SessionItem{{TenantName: "Acme Monitoring", User: "alice@acme.test"}}})
		},
		"welcome": func(w io.Writer) error { return Welcome(w, WelcomePage{Issuer: "http://127.0.0.1:8080"}) },
		"demo-place": func(w io.Writer) error {
			return DemoPlace(w, DemoPlacePage{Place: "Demo identity provider", Provider: true, Title: "This is the demo identity provider",
				Text: "It stands in for a company’s own.", LinkURL: "http://127.0.0.1:8080/", LinkLabel: "Go to Watchgate",
				Also: []DemoLink{{"Metadata", "/.well-known/openid-configuration"}, {"Signing keys", "/jwks.json"}}})
		},
		"demo-place-missing": func(w io.Writer) error {
			return DemoPlace(w, DemoPlacePage{Place: "Demo status board", Title: "There is nothing here", Text: "The address may be mistyped.",
				Code: 404, LinkURL: "/", LinkLabel: "Go to the status board"})
		},
		"signout": func(w io.Writer) error {
			return SignOut(w, SignOutPage{Action: "/oauth2/logout", Hidden: []Field{{"csrf", "tok"}}, AppName: "Demo status board", CancelURL: "/", Sessions: []SessionItem{
				{TenantName: "Acme Monitoring", User: "alice@acme.test"}, {TenantName: "Globex Corporation", User: "alice@globex.test"},
			}})
		},
		"signout-unproved": func(w io.Writer) error {
			return SignOut(w, SignOutPage{Action: "/oauth2/logout", Hidden: []Field{{"csrf", "tok"}}, Unproved: true, CancelURL: "/", Sessions: []SessionItem{
				{TenantName: "Acme Monitoring", User: "alice@acme.test", Everywhere: true},
			}})
		},
		"signed-out-here": func(w io.Writer) error {
			return SignedOut(w, SignedOutPage{AppName: "Demo status board", Left: []SessionItem{{TenantName: "Globex Corporation", User: "alice@globex.test"}}})
		},
		"signed-out": func(w io.Writer) error {
			return SignedOut(w, SignedOutPage{AppName: "Demo status board", ReturnURL: "http://127.0.0.1:8082/"})
		},
		"form-post": func(w io.Writer) error {
			return FormPost(w, FormPostPage{Action: "https://app.example/callback", AppName: "Demo status board", Fields: []Field{{"code", "wgac_x"}, {"state", "s"}, {"iss", "https://auth.example"}}})
		},
		"continue": func(w io.Writer) error {
			return Continue(w, ContinuePage{URL: "https://app.example/callback?code=wgac_x&state=s", AppName: "Demo status board", Host: "app.example"})
		},
		"continue-manual": func(w io.Writer) error {
			return Continue(w, ContinuePage{URL: "https://app.example/callback?code=wgac_x&state=s", AppName: "Demo status board", Host: "app.example", Manual: true})
		},
		"demo-idp": func(w io.Writer) error {
			return DemoIDP(w, DemoIDPPage{Action: "/authorize", Hidden: []Field{{"request", "r1"}}, AppName: "Watchgate", People: samplePeople})
		},
		"demo-app": func(w io.Writer) error {
			return DemoApp(w, DemoAppPage{AppName: "Demo status board", SignInURL: "/signin", People: samplePeople})
		},
		"demo-app-inside": func(w io.Writer) error { return DemoApp(w, sampleDemoApp()) },
		"demo-app-problem": func(w io.Writer) error {
			return DemoApp(w, DemoAppPage{AppName: "Demo status board", SignInURL: "/signin", People: samplePeople, Problem: &DemoProblem{Title: "The sign-in did not succeed.", Code: "access_denied", Description: "The person declined."}})
		},
		"demo-app-signed-out": func(w io.Writer) error {
			return DemoApp(w, DemoAppPage{AppName: "Demo status board", SignInURL: "/start", People: samplePeople, SignedOut: &DemoSignedOut{Revoked: true, ServerURL: "http://127.0.0.1:8080/oauth2/logout"}})
		},
		"demo-app-not-revoked": func(w io.Writer) error {
			return DemoApp(w, DemoAppPage{AppName: "Demo status board", SignInURL: "/start", People: samplePeople, SignedOut: &DemoSignedOut{ServerURL: "http://127.0.0.1:8080/oauth2/logout"}})
		},
	}
	maps.Copy(all, factorSamples())
	maps.Copy(all, trialSamples())
	maps.Copy(all, accountSamples())
	return all
}
