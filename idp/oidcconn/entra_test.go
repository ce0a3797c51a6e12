package oidcconn

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/storage"
)

const (
	acmeDirectory  = "4f1c2a7e-9b3d-4c55-8a61-0d2e7b9f3c14"
	otherDirectory = "c0ffee00-1234-4abc-8def-0123456789ab"
	alicesOID      = "7c9e2b14-3a5d-4f68-b0c1-d2e3f4a5b6c7"
	entraOrigin    = "https://login.microsoftonline.com/"
)

func entraIssuerOf(tid string) string { return entraOrigin + tid + "/v2.0" }

func newEntra(t *testing.T) *room {
	return newProduct(t, storage.PresetEntra, entraIssuerOf(acmeDirectory), "entra/discovery.json", "entra/id_token.json")
}

// newSharedEntra uses the metadata that all directories share, for two of them.
func newSharedEntra(t *testing.T) *room {
	r := newProduct(t, storage.PresetEntra, entraIssuerOf("common"), "entra/discovery_common.json", "entra/id_token.json")
	r.con.Settings.DirectoryIDs = []string{acmeDirectory, "d1d1d1d1-0000-4000-8000-000000000001"}
	r.op.KeyIssuers = map[string]string{"rsa-1": entraIssuerOf("{tenantid}")}
	return r
}

func TestEntraSignIn(t *testing.T) {
	r := newEntra(t)
	r.con.RoleClaim = "groups"
	got := r.arrives()
	if got.Issuer != r.con.Issuer || got.Subject != acmeDirectory+"|"+alicesOID {
		t.Errorf("issuer %q, subject %q", got.Issuer, got.Subject)
	}
	if !got.EmailVerified || got.Email != "alice@acme.com" || got.Claims["email_verified"] != true {
		t.Errorf("email %q, verified %v", got.Email, got.EmailVerified)
	}
	if got.SID != "001c2b3a-4d5e-6f70-8192-a3b4c5d6e7f8" || got.AuthTime.IsZero() || got.Level != storage.LevelNone {
		t.Errorf("sid %q, auth_time %v, level %q", got.SID, got.AuthTime, got.Level)
	}
	if len(got.Roles.Values) != 2 || got.Roles.Problem != "" {
		t.Errorf("roles: %+v", got.Roles)
	}
	if n := r.op.Seen("/oidc/userinfo"); n != 0 {
		t.Errorf("userinfo was asked %d times, though it says nothing more", n)
	}
}

// sub is another one in each app, and the rest can be set by somebody: none is the key.
func TestEntraPersonStaysThePersonWhateverElseChanges(t *testing.T) {
	r := newEntra(t)
	before := r.arrives().Subject
	r.says(map[string]any{"sub": "another", "email": "victim@globex.test", "preferred_username": "victim@globex.test", "name": "V"})
	if after := r.arrives().Subject; after != before {
		t.Errorf("%q became %q", before, after)
	}
}

func TestAttackEntraDirectories(t *testing.T) {
	for name, says := range map[string]map[string]any{
		"token of another directory":              {"tid": otherDirectory, "iss": entraIssuerOf(otherDirectory)},
		"tid of another, iss pinned":              {"tid": otherDirectory},
		"iss of another, tid pinned":              {"iss": entraIssuerOf(otherDirectory)},
		"no tid":                                  {"tid": nil},
		"tid is no GUID":                          {"tid": "organizations", "iss": entraIssuerOf("organizations")},
		"tid with a path":                         {"tid": acmeDirectory + "/..", "iss": entraIssuerOf(acmeDirectory + "/..")},
		"tid in capitals":                         {"tid": strings.ToUpper(acmeDirectory)},
		"iss of version 1":                        {"iss": "https://sts.windows.net/" + acmeDirectory + "/"},
		"iss of the template":                     {"iss": entraIssuerOf("{tenantid}")},
		"ver 1.0":                                 {"ver": "1.0"},
		"no ver":                                  {"ver": nil},
		"ver is a number":                         {"ver": 2.0},
		"personal account":                        {"tid": personalDirectory, "iss": entraIssuerOf(personalDirectory)},
		"no oid":                                  {"oid": nil},
		"oid is no GUID":                          {"oid": "x|y"},
		"oid in a list":                           {"oid": []string{alicesOID}},
		"guest by acct":                           {"acct": 1},
		"guest by acct as a text":                 {"acct": "1"},
		"guest by acct of no known kind":          {"acct": true},
		"guest by idp":                            {"idp": "https://sts.windows.net/" + otherDirectory + "/"},
		"guest by idp that is a personal account": {"idp": "live.com"},
		"guest by idp of no known kind":           {"idp": 7},
	} {
		t.Run(name, func(t *testing.T) {
			r := newEntra(t)
			r.says(says)
			r.refused()
		})
		t.Run(name+", shared metadata", func(t *testing.T) {
			r := newSharedEntra(t)
			r.says(says)
			r.refused()
		})
	}
}

// A directory that is no GUID is none, whatever the connection names.
func TestAttackEntraDirectoryThatIsNoGUID(t *testing.T) {
	con := storage.Connection{Issuer: entraIssuerOf("common"), Settings: storage.ConnectionSettings{DirectoryIDs: []string{"../evil", ""}}}
	for _, tid := range []string{"../evil", ""} {
		if got := entraIssuer(con, map[string]any{"tid": tid}); got != "" {
			t.Errorf("tid %q may come from %q", tid, got)
		}
	}
}

func TestEntraSharedMetadata(t *testing.T) {
	r := newSharedEntra(t)
	if got := r.arrives(); got.Subject != acmeDirectory+"|"+alicesOID {
		t.Errorf("subject %q", got.Subject)
	}
	second := "d1d1d1d1-0000-4000-8000-000000000001"
	r.says(map[string]any{"tid": second, "iss": entraIssuerOf(second)})
	if got := r.arrives(); got.Subject != second+"|"+alicesOID {
		t.Errorf("the same oid of another directory is %q", got.Subject)
	}
}

// A key that is published for one directory signs for no other (FO-10).
func TestAttackEntraKeyOfAnotherDirectory(t *testing.T) {
	for name, issuer := range map[string]string{
		"personal accounts' key": entraIssuerOf(personalDirectory),
		"another directory's":    entraIssuerOf(otherDirectory),
		"nobody's":               "",
		"a template elsewhere":   "https://login.evil.example/{tenantid}/v2.0",
	} {
		t.Run(name, func(t *testing.T) {
			r := newSharedEntra(t)
			r.op.KeyIssuers = map[string]string{"rsa-1": issuer}
			r.refused()
		})
	}
	r := newEntra(t)
	r.op.KeyIssuers = map[string]string{"rsa-1": entraIssuerOf(otherDirectory)}
	r.refused()
}

func TestEntraKeysOfOneKidAreToldApartByTheirIssuer(t *testing.T) {
	r := newSharedEntra(t)
	stranger := attackerKey(t)
	stranger.KeyID = "rsa-0"
	r.op.Keys = []jose.JSONWebKey{stranger, optest.RSAKey("rsa-1")}
	r.op.KeyIssuers = map[string]string{"rsa-0": entraIssuerOf(personalDirectory), "rsa-1": entraIssuerOf("{tenantid}")}
	r.refused() // the first one signs
	r.op.Sign = func(payload []byte) string { return optest.Sign(optest.RSAKey("rsa-1"), nil, payload) }
	r.arrives()
}

func TestEntraPersonalAccountsWhereTheyAreAllowed(t *testing.T) {
	r := newSharedEntra(t)
	r.con.Settings.AllowPersonal = true
	r.op.KeyIssuers["rsa-1"] = entraIssuerOf(personalDirectory)
	r.says(map[string]any{"tid": personalDirectory, "iss": entraIssuerOf(personalDirectory)})
	if got := r.arrives(); got.Subject != personalDirectory+"|"+alicesOID {
		t.Errorf("subject %q", got.Subject)
	}
}

func TestEntraGuestsWhereTheyAreAllowed(t *testing.T) {
	r := newEntra(t)
	r.con.Settings.AllowGuests = true
	r.says(map[string]any{"acct": 1, "idp": "https://sts.windows.net/" + otherDirectory + "/"})
	r.arrives()
}

func TestEntraMembersAreNoGuests(t *testing.T) {
	for name, says := range map[string]map[string]any{
		"acct 0":                         {"acct": 0},
		"no acct":                        {"acct": nil},
		"idp is the issuer":              {"idp": entraIssuerOf(acmeDirectory)},
		"idp is the directory's own STS": {"idp": "https://sts.windows.net/" + acmeDirectory + "/"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newEntra(t)
			r.says(says)
			r.arrives()
		})
	}
}

// Anybody who administers a directory can give its people any address (nOAuth, FO-12).
func TestAttackEntraAddressOfSomebodyElse(t *testing.T) {
	r := newEntra(t)
	r.says(map[string]any{"email": "victim@globex.test"})
	for _, edov := range []any{nil, false, "false", "0", 0, 2, "yes", "TRUE", []string{"true"}, map[string]any{"v": true}} {
		r.says(map[string]any{"xms_edov": edov, "email_verified": true})
		if got := r.arrives(); got.EmailVerified || got.Claims["email_verified"] != false {
			t.Errorf("xms_edov %#v: verified", edov)
		}
	}
}

func TestEntraVouchesForAnAddressByXmsEdovAlone(t *testing.T) {
	r := newEntra(t)
	for _, edov := range []any{true, "true", "1", 1} {
		r.says(map[string]any{"xms_edov": edov})
		if got := r.arrives(); !got.EmailVerified {
			t.Errorf("xms_edov %#v: not verified", edov)
		}
	}
}

func TestEntraConnectionsThatCannotBeUsed(t *testing.T) {
	for name, bend := range map[string]func(c *storage.Connection){
		"common, without directories": func(c *storage.Connection) { c.Issuer = entraIssuerOf("common") },
		"organizations":               func(c *storage.Connection) { c.Issuer = entraIssuerOf("organizations") },
		"consumers": func(c *storage.Connection) {
			c.Issuer, c.Settings.DirectoryIDs = entraIssuerOf("consumers"), []string{acmeDirectory}
		},
		"a domain":                   func(c *storage.Connection) { c.Issuer = entraIssuerOf("acme.onmicrosoft.com") },
		"version 1":                  func(c *storage.Connection) { c.Issuer = "https://sts.windows.net/" + acmeDirectory + "/" },
		"capitals":                   func(c *storage.Connection) { c.Issuer = entraIssuerOf(strings.ToUpper(acmeDirectory)) },
		"a directory that is a name": func(c *storage.Connection) { c.Settings.DirectoryIDs = []string{"acme"} },
	} {
		t.Run(name, func(t *testing.T) {
			r := newEntra(t)
			bend(&r.con)
			r.unusable()
			if r.op.Seen("login.microsoftonline.com") != 0 {
				t.Error("the provider was asked")
			}
		})
	}
}

// newOverage is somebody with more groups than a token holds, and Graph.
func newOverage(t *testing.T) *room {
	r := newEntra(t)
	r.con.RoleClaim, r.con.Settings.GroupsFromGraph = "groups", true
	r.says(load(t, "entra/overage.json"))
	r.op.Elsewhere = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		if req.Host != "graph.microsoft.com" || req.URL.Path != "/v1.0/me/getMemberObjects" || req.Method != http.MethodPost ||
			!strings.HasPrefix(req.Header.Get("Authorization"), "Bearer ") || !strings.Contains(string(body), "securityEnabledOnly") {
			t.Errorf("%s %s%s", req.Method, req.Host, req.URL.Path)
		}
		http.ServeFile(w, req, "testdata/entra/member_objects.json")
	})
	return r
}

func TestEntraGroupsBeyondTheTokenAreGraphs(t *testing.T) {
	r := newOverage(t)
	want := idp.RoleValues{Present: true, Values: []string{"0f8a4c9d-7b1e-4d52-9e36-5a7c2b1d8f40", "d91b6a7c-02f4-4e38-a5c9-3f7e8b6d1240"}}
	if diff := cmp.Diff(want, r.arrives().Roles); diff != "" {
		t.Error(diff)
	}
	if scope := r.op.Asked().Get("scope"); !strings.HasSuffix(scope, " User.Read") {
		t.Errorf("scope %q does not let Graph answer", scope)
	}
	r.says(map[string]any{"_claim_names": nil, "_claim_sources": nil, "hasgroups": true})
	if diff := cmp.Diff(want, r.arrives().Roles); diff != "" {
		t.Error(diff)
	}
}

// Where the token says that its groups are is nowhere that we go (FO-13).
func TestAttackEntraGroupsFromTheTokensOwnAddress(t *testing.T) {
	r := newOverage(t)
	r.says(map[string]any{"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://evil.example/groups", "access_token": "x"}}})
	for _, fromGraph := range []bool{true, false} {
		r.con.Settings.GroupsFromGraph = fromGraph
		r.again()
		r.arrives()
	}
	for _, host := range []string{"evil.example", "graph.windows.net"} {
		if n := r.op.Seen(host); n != 0 {
			t.Errorf("%s was asked %d times", host, n)
		}
	}
}

func TestAttackEntraOverageIsNotNoGroups(t *testing.T) {
	overage := idp.RoleValues{Present: true, Problem: idp.ReasonOverage}
	r := newOverage(t)
	r.con.Settings.GroupsFromGraph = false
	if got := r.arrives().Roles; !cmp.Equal(got, overage) {
		t.Errorf("without Graph: %+v", got)
	}
	if n := r.op.Seen("graph.microsoft.com"); n != 0 {
		t.Errorf("Graph was asked %d times", n)
	}
	// Old groups beside the mark of an overage are no groups either.
	r.says(map[string]any{"groups": []string{"0f8a4c9d-7b1e-4d52-9e36-5a7c2b1d8f40"}})
	if got := r.arrives().Roles; !cmp.Equal(got, overage) {
		t.Errorf("with groups, too: %+v", got)
	}
	for name, answer := range map[string]string{
		"no permission": `{"value":["g"]}`, "no JSON": "<html>", "no list": `{"value":{}}`, "nothing": `{}`,
		"the first page": `{"value":["g"],"@odata.nextLink":"https://graph.microsoft.com/v1.0/next"}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newOverage(t)
			r.op.Elsewhere = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if name == "no permission" {
					w.WriteHeader(http.StatusForbidden)
				}
				io.WriteString(w, answer)
			})
			if got := r.arrives().Roles; !cmp.Equal(got, overage) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAttackGraphRedirectsTheTokenAway(t *testing.T) {
	r := newOverage(t)
	r.op.Elsewhere = http.RedirectHandler("https://evil.example/", http.StatusTemporaryRedirect)
	if _, err := r.signIn(); !errors.Is(err, idp.ErrUpstreamUnavailable) {
		t.Errorf("err = %v", err)
	}
	if r.op.Seen("evil.example") != 0 {
		t.Error("the redirect was followed")
	}
}

func TestGraphThatIsDownIsUnavailable(t *testing.T) {
	r := newOverage(t)
	r.op.Elsewhere = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	if _, err := r.signIn(); !errors.Is(err, idp.ErrUpstreamUnavailable) {
		t.Errorf("err = %v, want ErrUpstreamUnavailable", err)
	}
}

// A token of another cloud does not go to this one's Graph.
func TestGraphIsOfTheSameCloud(t *testing.T) {
	for issuer, want := range map[string]string{
		entraIssuerOf(acmeDirectory):                                          graphHost,
		"https://login.microsoftonline.us/" + acmeDirectory + "/v2.0":         "",
		"https://login.partner.microsoftonline.cn/" + acmeDirectory + "/v2.0": "",
	} {
		c := &connector{con: storage.Connection{Issuer: issuer}}
		if got := c.graph(); got != want {
			t.Errorf("%s: %q, want %q", issuer, got, want)
		}
	}
}

func TestEntraIsAskedForAnAuthenticationContext(t *testing.T) {
	r := newEntra(t)
	req := request
	req.ACRValues = []string{"mfa", "c1", "c2"}
	r.authorize(req)
	if got := r.op.Asked(); got.Get("claims") != `{"id_token":{"acrs":{"essential":true,"value":"c1"}}}` || got.Has("acr_values") {
		t.Errorf("claims %q, acr_values %q", got.Get("claims"), got.Get("acr_values"))
	}
	req.ACRValues = []string{"mfa"}
	r.authorize(req)
	if got := r.op.Asked(); got.Has("claims") || got.Has("acr_values") {
		t.Errorf("asked for what Entra does not know: %v", got)
	}
}
