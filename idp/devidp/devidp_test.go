package devidp

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

const (
	callback = "http://127.0.0.1:8080/login/callback/con_1"
	verifier = "a-verifier-of-at-least-forty-three-characters-for-pkce"
)

// stand is a provider on a port of its own, and a browser that follows no
// redirect by itself.
type stand struct {
	t      *testing.T
	issuer string
	http   *http.Client
	unix   atomic.Int64
}

func (s *stand) now() time.Time       { return time.Unix(s.unix.Load(), 0) }
func (s *stand) wait(d time.Duration) { s.unix.Add(int64(d / time.Second)) }

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{t: t}
	s.unix.Store(1772366400)
	srv := httptest.NewUnstartedServer(nil)
	s.issuer = "http://" + srv.Listener.Addr().String()
	handler, err := New(Config{Issuer: s.issuer, Now: s.now, Clients: []Client{
		{ID: "watchgate-acme", Secret: "acme secret: 1+1", RedirectURIs: []string{callback}},
		{ID: "watchgate-globex", Secret: "globex-secret", RedirectURIs: []string{callback}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = handler
	srv.Start()
	t.Cleanup(srv.Close)
	s.http = srv.Client()
	s.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s
}

func authorizeParams(change map[string]string) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	v := url.Values{
		"client_id": {"watchgate-acme"}, "redirect_uri": {callback}, "response_type": {"code"}, "state": {"st/1"}, "nonce": {"n1"},
		"scope": {"openid profile email address phone"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}
	for k, value := range change {
		if v.Del(k); value != "" {
			v.Set(k, value)
		}
	}
	return v
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	return out
}

func (s *stand) do(method, path string, form url.Values, header ...string) answer {
	s.t.Helper()
	req, err := http.NewRequest(method, s.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.http.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// authorize opens the sign-in page and returns its path and text.
func (s *stand) authorize(change map[string]string) (path, page string) {
	s.t.Helper()
	a := s.do("GET", "/authorize?"+authorizeParams(change).Encode(), nil)
	if a.status != http.StatusSeeOther {
		s.t.Fatalf("authorize = %d %s", a.status, a.body)
	}
	path = a.header.Get("Location")
	return path, s.do("GET", path, nil).body
}

// back is where the browser is sent with the answer.
func (s *stand) back(a answer) url.Values {
	s.t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != http.StatusSeeOther || !strings.HasPrefix(u.String(), callback+"?") {
		s.t.Fatalf("%d to %q (%v), want a redirect to the client", a.status, a.header.Get("Location"), err)
	}
	return u.Query()
}

func (s *stand) choose(button, login string) (code string) {
	s.t.Helper()
	path, _ := s.authorize(nil)
	return s.back(s.do("POST", path, url.Values{button: {login}})).Get("code")
}

func redemption(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
		"client_id": {"watchgate-acme"}, "client_secret": {"acme secret: 1+1"},
	}
}

// verified returns the claims of an ID token that a published key signed.
func (s *stand) verified(token string) map[string]any {
	s.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(s.do("GET", "/jwks.json", nil).body), &set); err != nil || len(set.Keys) != 1 || !set.Keys[0].IsPublic() {
		s.t.Fatalf("JWKS: %v, %d keys; want one public key", err, len(set.Keys))
	}
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		s.t.Fatal(err)
	}
	payload, err := jws.Verify(set.Keys[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{body: string(payload)}.json(s.t)
}

// standardClaims are those of Core section 5.1 but sub.
var standardClaims = []string{
	"address", "birthdate", "email", "email_verified", "family_name", "gender", "given_name", "locale", "middle_name", "name",
	"nickname", "phone_number", "phone_number_verified", "picture", "preferred_username", "profile", "updated_at", "website", "zoneinfo",
}

func TestSignInGivesEveryStandardClaim(t *testing.T) {
	s := newStand(t)
	tokens := s.do("POST", "/token", redemption(s.choose("user", "alice@acme.test"))).json(t)
	info := s.do("GET", "/userinfo", nil, "Authorization", "Bearer "+tokens["access_token"].(string)).json(t)
	idToken := s.verified(tokens["id_token"].(string))
	for _, claims := range []map[string]any{info, idToken} {
		for _, name := range append(slices.Clone(standardClaims), "sub", "role") {
			if v, ok := claims[name]; !ok || v == "" || v == nil {
				t.Errorf("claim %s = %v", name, v)
			}
		}
	}
	if _, number := info["updated_at"].(float64); !number || info["email_verified"] != true || info["role"] != "owner" {
		t.Errorf("updated_at %v, email_verified %v, role %v", info["updated_at"], info["email_verified"], info["role"])
	}
	if info["sub"] != idToken["sub"] || strings.Contains(info["sub"].(string), "@") {
		t.Errorf("sub: %v and %v; want one that is no e-mail address", info["sub"], idToken["sub"])
	}
	wantAddress := []string{"country", "formatted", "locality", "postal_code", "region", "street_address"}
	if diff := cmp.Diff(wantAddress, slices.Sorted(maps.Keys(info["address"].(map[string]any)))); diff != "" {
		t.Errorf("address (-want +got):\n%s", diff)
	}
}

func TestIDTokenSaysHowAndWhenThePersonSignedIn(t *testing.T) {
	s := newStand(t)
	for button, amr := range map[string][]any{"user": {"pwd", "otp", "mfa"}, "user_no_mfa": {"pwd"}} {
		code := s.choose(button, "bob@acme.test")
		signedIn := s.now().Unix()
		s.wait(30 * time.Second)
		claims := s.verified(s.do("POST", "/token", redemption(code)).json(t)["id_token"].(string))
		if diff := cmp.Diff(amr, claims["amr"]); diff != "" {
			t.Errorf("%s: amr (-want +got):\n%s", button, diff)
		}
		if int64(claims["auth_time"].(float64)) != signedIn || int64(claims["iat"].(float64)) != s.now().Unix() {
			t.Errorf("auth_time %v, iat %v; want %d and %d", claims["auth_time"], claims["iat"], signedIn, s.now().Unix())
		}
		if claims["nonce"] != "n1" || claims["iss"] != s.issuer || claims["aud"] != "watchgate-acme" {
			t.Errorf("nonce %v, iss %v, aud %v", claims["nonce"], claims["iss"], claims["aud"])
		}
	}
}

// Each authentication is a session of its own, and its ID token names it.
func TestIDTokenNamesTheSession(t *testing.T) {
	s := newStand(t)
	seen := map[any]bool{}
	for range 3 {
		claims := s.verified(s.do("POST", "/token", redemption(s.choose("user", "bob@acme.test"))).json(t)["id_token"].(string))
		if sid, _ := claims["sid"].(string); sid == "" || seen[sid] {
			t.Errorf("sid %q", sid)
		}
		seen[claims["sid"]] = true
	}
}

func TestSecondFactorThatIsAskedForIsNeeded(t *testing.T) {
	for _, c := range []struct {
		contexts, button, err, acr string
	}{
		{"", "user_no_mfa", "", acrPassword},
		{acrMFA, "user", "", acrMFA},
		{acrMFA, "user_no_mfa", "unmet_authentication_requirements", ""},
		{"phr " + acrMFA, "user_no_mfa", "unmet_authentication_requirements", ""},
		{acrMFA + " " + acrPassword, "user_no_mfa", "", acrPassword},
		{"urn:somebody:else", "user_no_mfa", "", acrPassword},
	} {
		s := newStand(t)
		path, _ := s.authorize(map[string]string{"acr_values": c.contexts, "prompt": "login", "max_age": "0"})
		back := s.back(s.do("POST", path, url.Values{c.button: {"bob@acme.test"}}))
		if back.Get("error") != c.err {
			t.Errorf("%q, %s: %v", c.contexts, c.button, back)
		}
		if c.err != "" {
			continue
		}
		claims := s.verified(s.do("POST", "/token", redemption(back.Get("code"))).json(t)["id_token"].(string))
		if claims["acr"] != c.acr || int64(claims["auth_time"].(float64)) != s.now().Unix() {
			t.Errorf("%q, %s: acr %v, auth_time %v", c.contexts, c.button, claims["acr"], claims["auth_time"])
		}
	}
}

func TestClaimsFollowTheScopes(t *testing.T) {
	s := newStand(t)
	path, _ := s.authorize(map[string]string{"scope": "openid email"})
	code := s.back(s.do("POST", path, url.Values{"user": {"alice@acme.test"}})).Get("code")
	access := s.do("POST", "/token", redemption(code)).json(t)["access_token"].(string)
	info := s.do("POST", "/userinfo", url.Values{"access_token": {access}}).json(t)
	if diff := cmp.Diff([]string{"email", "email_verified", "sub"}, slices.Sorted(maps.Keys(info))); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestPageShowsOnlyTheAskingTenantsPeople(t *testing.T) {
	s := newStand(t)
	for client, want := range map[string]map[string]bool{
		"watchgate-acme":   {"alice@acme.test": true, "bob@acme.test": true, "victor@acme.test": true, "carol@globex.test": false},
		"watchgate-globex": {"alice@acme.test": false, "bob@acme.test": false, "victor@acme.test": false, "carol@globex.test": true},
	} {
		path, page := s.authorize(map[string]string{"client_id": client})
		for login, shown := range want {
			button := strings.Contains(page, `name="user" value="`+login+`"`)
			without := strings.Contains(page, `name="user_no_mfa" value="`+login+`"`)
			if button != shown || without != shown {
				t.Errorf("%s: buttons of %s: %v, without MFA %v; want %v", client, login, button, without, shown)
			}
			if !shown {
				if a := s.do("POST", path, url.Values{"user": {login}}); a.status != http.StatusBadRequest {
					t.Errorf("%s: %s of the other tenant was accepted: %d", client, login, a.status)
				}
			}
		}
	}
}

func TestPageKeepsTheRequestOutOfItsURL(t *testing.T) {
	s := newStand(t)
	path, page := s.authorize(map[string]string{"login_hint": "victor@acme.test"})
	if strings.ContainsAny(path, "?&=") || strings.Contains(page, "st/1") {
		t.Errorf("the page at %s holds the request", path)
	}
	if strings.Index(page, "victor@acme.test") > strings.Index(page, "alice@acme.test") {
		t.Error("the hinted person is not the first")
	}
	if a := s.do("POST", path, url.Values{"user": {"victor@acme.test"}}); len(a.header.Values("Set-Cookie")) != 0 {
		t.Error("the demo provider keeps somebody signed in")
	}
	if a := s.do("POST", path, url.Values{"user": {"victor@acme.test"}}); a.status != http.StatusBadRequest {
		t.Errorf("the same page sent twice = %d, want 400", a.status)
	}
}

func TestAuthorizationResponseCarriesStateAndIss(t *testing.T) {
	s := newStand(t)
	path, _ := s.authorize(nil)
	got := s.back(s.do("POST", path, url.Values{"user": {"alice@acme.test"}}))
	if got.Get("state") != "st/1" || got.Get("iss") != s.issuer || got.Get("code") == "" {
		t.Errorf("response %v", got)
	}
}

func TestRefusedRequestsGoBackToTheClient(t *testing.T) {
	s := newStand(t)
	for name, c := range map[string]struct {
		change map[string]string
		want   string
	}{
		"prompt none":        {map[string]string{"prompt": "none"}, "login_required"},
		"prompt none, login": {map[string]string{"prompt": "none login"}, "invalid_request"},
		"token response":     {map[string]string{"response_type": "token"}, "unsupported_response_type"},
		"no openid":          {map[string]string{"scope": "profile"}, "invalid_scope"},
		"no PKCE":            {map[string]string{"code_challenge": "", "code_challenge_method": ""}, "invalid_request"},
		"plain PKCE":         {map[string]string{"code_challenge_method": "plain"}, "invalid_request"},
		"bad max_age":        {map[string]string{"max_age": "-1"}, "invalid_request"},
		"request object":     {map[string]string{"request": "x.y.z"}, "request_not_supported"},
		"fragment":           {map[string]string{"response_mode": "fragment"}, "invalid_request"},
	} {
		got := s.back(s.do("GET", "/authorize?"+authorizeParams(c.change).Encode(), nil))
		if got.Get("error") != c.want || got.Get("state") != "st/1" || got.Get("iss") != s.issuer {
			t.Errorf("%s: %v, want error %s with state and iss", name, got, c.want)
		}
	}
}

func TestUnprovenRedirectURIGetsNoRedirect(t *testing.T) {
	s := newStand(t)
	for name, query := range map[string]string{
		"other URI":      authorizeParams(map[string]string{"redirect_uri": callback + "x"}).Encode(),
		"none":           authorizeParams(map[string]string{"redirect_uri": ""}).Encode(),
		"unknown client": authorizeParams(map[string]string{"client_id": "watchgate-other"}).Encode(),
		"two URIs":       authorizeParams(nil).Encode() + "&redirect_uri=" + url.QueryEscape(callback),
		"broken":         "client_id=%zz",
	} {
		if a := s.do("GET", "/authorize?"+query, nil); a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
			t.Errorf("%s: %d to %q, want 400 and no redirect", name, a.status, a.header.Get("Location"))
		}
	}
}

func TestCodeIsRefused(t *testing.T) {
	s := newStand(t)
	change := func(name, value string) func(url.Values) {
		return func(v url.Values) { v.Set(name, value) }
	}
	for name, c := range map[string]struct {
		change func(url.Values)
		status int
		want   string
	}{
		"wrong verifier":   {change("code_verifier", verifier+"x"), 400, "invalid_grant"},
		"no verifier":      {change("code_verifier", ""), 400, "invalid_grant"},
		"other URI":        {change("redirect_uri", callback+"x"), 400, "invalid_grant"},
		"unknown code":     {change("code", "nothing"), 400, "invalid_grant"},
		"wrong secret":     {change("client_secret", "guess"), 401, "invalid_client"},
		"no secret":        {change("client_secret", ""), 401, "invalid_client"},
		"unknown client":   {change("client_id", "nobody"), 401, "invalid_client"},
		"other grant type": {change("grant_type", "password"), 400, "unsupported_grant_type"},
		"repeated":         {func(v url.Values) { v.Add("code", "twice") }, 400, "invalid_request"},
		"other client": {func(v url.Values) {
			v.Set("client_id", "watchgate-globex")
			v.Set("client_secret", "globex-secret")
		}, 400, "invalid_grant"},
	} {
		form := redemption(s.choose("user", "alice@acme.test"))
		c.change(form)
		if a := s.do("POST", "/token", form); a.status != c.status || a.json(t)["error"] != c.want {
			t.Errorf("%s: %d %s, want %d %s", name, a.status, a.body, c.status, c.want)
		}
	}
}

func TestCodeWorksOnceAndForAMinute(t *testing.T) {
	s := newStand(t)
	form := redemption(s.choose("user", "alice@acme.test"))
	if a := s.do("POST", "/token", form); a.status != http.StatusOK {
		t.Fatalf("first use: %d %s", a.status, a.body)
	}
	if a := s.do("POST", "/token", form); a.status != http.StatusBadRequest {
		t.Errorf("second use: %d %s", a.status, a.body)
	}
	form = redemption(s.choose("user", "alice@acme.test"))
	s.wait(time.Minute)
	if a := s.do("POST", "/token", form); a.status != http.StatusBadRequest {
		t.Errorf("after a minute: %d %s", a.status, a.body)
	}
}

func TestClientMayAuthenticateByHeader(t *testing.T) {
	s := newStand(t)
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
	}
	form := redemption(s.choose("user", "alice@acme.test"))
	if a := s.do("POST", "/token", form, "Authorization", basic("watchgate-acme", "acme secret: 1+1")); a.json(t)["error"] != "invalid_request" {
		t.Errorf("both ways at once: %d %s", a.status, a.body)
	}
	form.Del("client_secret")
	if a := s.do("POST", "/token", form, "Authorization", basic("watchgate-acme", "acme secret: 1+1")); a.status != http.StatusOK {
		t.Errorf("Basic: %d %s", a.status, a.body)
	}
	if a := s.do("POST", "/token", form, "Authorization", basic("watchgate-globex", "globex-secret")); a.json(t)["error"] != "invalid_request" {
		t.Errorf("two client ids: %d %s", a.status, a.body)
	}
}

func TestUserinfoNeedsALiveToken(t *testing.T) {
	s := newStand(t)
	if a := s.do("GET", "/userinfo", nil); a.status != 401 || strings.Contains(a.header.Get("WWW-Authenticate")+a.body, "error") {
		t.Errorf("no token: %d %q", a.status, a.header.Get("WWW-Authenticate"))
	}
	access := s.do("POST", "/token", redemption(s.choose("user", "alice@acme.test"))).json(t)["access_token"].(string)
	s.wait(tokenTTL)
	for _, token := range []string{"garbage", access} {
		a := s.do("GET", "/userinfo", nil, "Authorization", "Bearer "+token)
		if a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
			t.Errorf("%s: %d %q", token, a.status, a.header.Get("WWW-Authenticate"))
		}
	}
	if a := s.do("GET", "/userinfo?access_token="+access, nil); a.status != 401 {
		t.Errorf("token in the query: %d", a.status)
	}
}

func TestMetadataNamesWhatIsThere(t *testing.T) {
	s := newStand(t)
	doc := s.do("GET", "/.well-known/openid-configuration", nil).json(t)
	if doc["issuer"] != s.issuer {
		t.Errorf("issuer %v, want %s", doc["issuer"], s.issuer)
	}
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"} {
		path := strings.TrimPrefix(doc[name].(string), s.issuer)
		if a := s.do("GET", path, nil); a.status == http.StatusNotFound {
			t.Errorf("%s %v is not there", name, doc[name])
		}
	}
}

func TestRootAndUnknownPathsSayWhereToGo(t *testing.T) {
	s := newStand(t)
	for path, status := range map[string]int{"/": 200, "/nothing": 404, "/authorize/a/b": 404} {
		a := s.do("GET", path, nil)
		if a.status != status || !strings.Contains(a.body, `href="http://127.0.0.1:8080/"`) || !strings.Contains(a.body, "Demo identity provider") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := s.do("GET", "/token", nil); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
		t.Errorf("GET /token: %d, Allow %q", a.status, a.header.Get("Allow"))
	}
}

// TestPersonHasOneNameEverywhere: the pages' and the claim's.
func TestPersonHasOneNameEverywhere(t *testing.T) {
	for i, p := range People() {
		claims := people[i].claims([]string{"profile", "email"})
		if p.Name != claims["name"] || p.Name != people[i].given+" "+people[i].family || p.Login != claims["email"] {
			t.Errorf("%s on pages, %v in claims", p.Name, claims["name"])
		}
		if p.Tenant != "Acme Monitoring" && p.Tenant != "Globex Corporation" {
			t.Errorf("%s is of %q, which is no tenant of the demonstration", p.Name, p.Tenant)
		}
	}
}

func TestOnlyLoopbackClientsAreAccepted(t *testing.T) {
	good := Client{ID: "watchgate-acme", Secret: "s", RedirectURIs: []string{"http://localhost/cb", "http://[::1]:80/cb", "https://127.1.2.3/cb"}}
	try := func(issuer string, c Client) error {
		_, err := New(Config{Issuer: issuer, Clients: []Client{c}, Now: time.Now})
		return err
	}
	if err := try("http://127.0.0.1:8081", good); err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{
		"https://example.com/cb", "http://127.0.0.1.example.com/cb", "http://127.0.0.1@example.com/cb", "http://0.0.0.0/cb",
		"http://10.0.0.1/cb", "app:/cb", "/cb", "http://127.0.0.1/cb#x", "javascript:alert(1)",
	} {
		bad := good
		bad.RedirectURIs = []string{uri}
		if try("http://127.0.0.1:8081", bad) == nil {
			t.Errorf("redirect URI %s was accepted", uri)
		}
	}
	nobody := good
	nobody.ID = "watchgate-initech"
	if try("http://127.0.0.1:8081", nobody) == nil {
		t.Error("a tenant without people was accepted")
	}
	for _, issuer := range []string{"", "127.0.0.1:8081", "http://127.0.0.1:8081/", "http://127.0.0.1:8081?x"} {
		if try(issuer, good) == nil {
			t.Errorf("issuer %q was accepted", issuer)
		}
	}
}
