package directory_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/storage/storagetest"
)

var clock = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// provider is what the identity provider of a test looks like.
type provider func(issuer string) error

// Discover implements directory.Discoverer.
func (p provider) Discover(_ context.Context, issuer string) error { return p(issuer) }

func fine(string) error { return nil }

// open returns a directory over an empty SQLite store.
func open(t *testing.T) (*directory.Directory, storage.Store, *seal.Sealer) {
	t.Helper()
	sealer := sealer(t, seal.Generate())
	store := emptyStore(t)
	return over(store, sealer, fine), store, sealer
}

// emptyStore returns a SQLite store without records.
func emptyStore(t *testing.T) storage.Store {
	t.Helper()
	file := storagetest.File(t, sqlstore.Migrate)
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// sealer returns a sealer over the lines of a master file.
func sealer(t *testing.T, lines ...string) *seal.Sealer {
	t.Helper()
	masters, err := seal.Parse([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	out, err := seal.New(masters)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// over returns a directory that finds every redirect URI with "evil" in it
// wrong.
func over(store storage.Store, s *seal.Sealer, p provider) *directory.Directory {
	refuseEvil := func(uri string) error {
		if strings.Contains(uri, "evil") {
			return errors.New("it is evil")
		}
		return nil
	}
	return directory.New(directory.Config{
		Store: store, Sealer: s, Discoverer: p, RedirectURI: refuseEvil, Now: func() time.Time { return clock },
	})
}

// wrong fails unless err is a problem, and returns its sentences.
func wrong(t *testing.T, err error) string {
	t.Helper()
	var p *directory.Problem
	if !errors.As(err, &p) {
		t.Fatalf("error %v, want a problem", err)
	}
	return p.Error()
}

func TestTenantIsSuspendedAndResumed(t *testing.T) {
	d, store, _ := open(t)
	made, err := d.CreateTenant(t.Context(), "acme", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.SuspendTenant(t.Context(), "acme", "unpaid"); err != nil {
		t.Fatal(err)
	}
	got, err := store.TenantByID(t.Context(), made.ID)
	if err != nil || got.SuspendedAt.IsZero() || got.SuspendReason != "unpaid" {
		t.Fatalf("suspended: %+v, %v", got, err)
	}
	if _, err := d.ResumeTenant(t.Context(), string(made.ID)); err != nil {
		t.Fatal(err)
	}
	got, err = store.TenantByID(t.Context(), made.ID)
	if err != nil || !got.SuspendedAt.IsZero() || !got.TokensNotBefore.Equal(clock) {
		t.Errorf("resumed: %+v, %v; access tokens from before must stay dead", got, err)
	}
	wrong(t, second(d.ResumeTenant(t.Context(), "acme")))
	wrong(t, second(d.CreateTenant(t.Context(), "acme", "Again")))
	wrong(t, second(d.SuspendTenant(t.Context(), "nobody", "x")))
}

func second[T any](_ T, err error) error { return err }

func TestTenantSlugs(t *testing.T) {
	d, _, _ := open(t)
	for _, slug := range []string{"", "-a", "a-", "A", "a_b", "a b", "ä", strings.Repeat("a", 64), "ten_x"} {
		wrong(t, second(d.CreateTenant(t.Context(), slug, "Name")))
	}
	wrong(t, second(d.CreateTenant(t.Context(), "fine", "a\u202eb")))
}

func TestReasonsThatCouldChangeHowTheListReads(t *testing.T) {
	d, store, _ := open(t)
	if _, err := d.CreateTenant(t.Context(), "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	for name, reason := range map[string]string{
		"empty": " ", "escape sequence": "unpaid\x1b[2J", "line break": "unpaid\nglobex active", "C1": "unpaid\u009b2J",
		"delete": "unpaid\x7f", "direction": "unpaid\u202eevitca", "mark": "unpaid\u200f", "separator": "unpaid\u2028x",
		"no UTF-8": "unpaid\xff", "long": strings.Repeat("x", 201),
	} {
		_, err := d.SuspendTenant(t.Context(), "acme", reason)
		if !strings.Contains(wrong(t, err), "reason") {
			t.Errorf("%s: %v", name, err)
		}
	}
	got, err := store.TenantBySlug(t.Context(), "acme")
	if err != nil || !got.SuspendedAt.IsZero() {
		t.Errorf("suspended all the same: %+v, %v", got, err)
	}
}

// TestTenantsAreNamedBySlugOrID: what is stored is the id, which tokens carry.
func TestTenantsAreNamedBySlugOrID(t *testing.T) {
	d, store, _ := open(t)
	acme, err := d.CreateTenant(t.Context(), "acme", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []storage.TenantID{"acme", acme.ID} {
		c := webClient()
		c.Owner, c.ServiceTenant, c.GrantTypes = name, name, append(c.GrantTypes, storage.GrantClientCredentials)
		made, err := d.CreateClient(t.Context(), c)
		if err != nil {
			t.Fatalf("client of %s: %v", name, err)
		}
		got, err := store.Client(t.Context(), storage.ClientID(made.ID))
		if err != nil || got.Owner != acme.ID || got.ServiceTenant != acme.ID {
			t.Errorf("client of %s: owner %s, acts in %s, %v", name, got.Owner, got.ServiceTenant, err)
		}
		rs := resourceServer()
		rs.TenantID = name
		made, err = d.CreateResourceServer(t.Context(), rs)
		if err != nil {
			t.Fatalf("resource server of %s: %v", name, err)
		}
		stored, err := store.ResourceServer(t.Context(), storage.ResourceServerID(made.ID))
		if err != nil || stored.TenantID != acme.ID {
			t.Errorf("resource server of %s: bound to %q, %v", name, stored.TenantID, err)
		}
	}
	c := webClient()
	c.Owner, c.ServiceTenant = "acme", "globex"
	if text := wrong(t, second(d.CreateClient(t.Context(), c))); !strings.Contains(text, "globex") {
		t.Error(text)
	}
}

func resourceServer() storage.ResourceServer {
	return storage.ResourceServer{
		Name: "API", Audience: "https://api.example/", Scopes: directory.SortedScopes(map[string]string{"monitor:read": "See"}),
	}
}

func TestClientSecretIsShownOnceAndStoredAsAHash(t *testing.T) {
	d, store, _ := open(t)
	made, err := d.CreateClient(t.Context(), webClient())
	if err != nil {
		t.Fatal(err)
	}
	c, err := store.Client(t.Context(), storage.ClientID(made.ID))
	if err != nil || !token.Matches(c.Secrets, made.Secret, clock) {
		t.Fatalf("the shown secret is not the client's (%v)", err)
	}
	next, err := d.RotateClientSecret(t.Context(), c.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, err = store.Client(t.Context(), c.ID)
	if err != nil || !token.Matches(c.Secrets, made.Secret, clock) || !token.Matches(c.Secrets, next.Secret, clock) {
		t.Errorf("both secrets must work during the overlap (%v)", err)
	}
	if token.Matches(c.Secrets, made.Secret, clock.Add(time.Hour)) {
		t.Error("the old secret works after the overlap")
	}
}

func TestClientRegistrationNamesEveryProblem(t *testing.T) {
	d, _, _ := open(t)
	c := webClient()
	c.ID, c.Name, c.AuthMethod, c.PKCEOptional = "usr_abc", "", storage.AuthNone, true
	c.GrantTypes = append(c.GrantTypes, storage.GrantClientCredentials, "password")
	c.RedirectURIs = []string{"https://evil.example/cb"}
	c.Scopes, c.URI, c.IDTokenAlg, c.ServiceTenant = []string{`a"b`}, "http://x", "none", "ten_unknown"
	text := wrong(t, second(d.CreateClient(t.Context(), c)))
	for _, word := range []string{"id", "name", "PKCE", "client_credentials", "password", "evil", "scope", "home page", "none", "ten_unknown"} {
		if !strings.Contains(text, word) {
			t.Errorf("no word about %s in %s", word, text)
		}
	}
}

func TestClientIsDisabledAndEnabled(t *testing.T) {
	d, store, _ := open(t)
	made, err := d.CreateClient(t.Context(), webClient())
	if err != nil {
		t.Fatal(err)
	}
	id := storage.ClientID(made.ID)
	for _, enabled := range []bool{false, true} {
		if err := d.SetClientEnabled(t.Context(), id, enabled); err != nil {
			t.Fatal(err)
		}
		if c, err := store.Client(t.Context(), id); err != nil || c.DisabledAt.IsZero() != enabled {
			t.Errorf("enabled %v: disabled at %v, %v", enabled, c.DisabledAt, err)
		}
	}
}

func TestConnectionSecretOpensOnlyInItsPlace(t *testing.T) {
	d, _, sealer := open(t)
	acme, err := d.CreateTenant(t.Context(), "acme", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	con, err := d.CreateConnection(t.Context(), "acme", connection(), "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	place := seal.Place{Tenant: acme.ID, Table: "connections", Column: "client_secret", Row: string(con.ID)}
	if plain, err := sealer.Open(place, con.SealedSecret); err != nil || string(plain) != "s3cret" {
		t.Errorf("opened %q, %v", plain, err)
	}
	place.Tenant = "ten_other"
	if _, err := sealer.Open(place, con.SealedSecret); err == nil {
		t.Error("the secret opens in another tenant's row")
	}
}

func TestConnectionIssuers(t *testing.T) {
	d, _, _ := open(t)
	if _, err := d.CreateTenant(t.Context(), "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	for _, issuer := range []string{
		"http://idp.example", "http://127.0.0.1:8081", "https://idp.example?x=1", "https://idp.example#f",
		"https://u@idp.example", "idp.example", "javascript:alert(1)", "",
	} {
		c := connection()
		c.Issuer = issuer
		wrong(t, second(d.CreateConnection(t.Context(), "acme", c, "s")))
	}
	c := connection()
	c.Algs = []string{"HS256"}
	wrong(t, second(d.CreateConnection(t.Context(), "acme", c, "s")))
}

func TestDomainBelongsToOneTenantAndNeverIsPublicMail(t *testing.T) {
	d, _, _ := open(t)
	for _, slug := range []string{"acme", "globex"} {
		if _, err := d.CreateTenant(t.Context(), slug, slug); err != nil {
			t.Fatal(err)
		}
	}
	acme, err1 := d.CreateConnection(t.Context(), "acme", connection(), "s")
	globex, err2 := d.CreateConnection(t.Context(), "globex", connection(), "s")
	if err := errors.Join(err1, err2, d.AddDomain(t.Context(), "acme", "Acme.Example", acme.ID)); err != nil {
		t.Fatal(err)
	}
	wrong(t, d.AddDomain(t.Context(), "globex", "acme.example", globex.ID))
	wrong(t, d.AddDomain(t.Context(), "globex", "globex.example", acme.ID))
	wrong(t, d.AddDomain(t.Context(), "globex", "gmail.com", globex.ID))
	wrong(t, d.AddDomain(t.Context(), "globex", "not a domain", globex.ID))
	if err := d.RemoveDomain(t.Context(), "acme", "acme.example"); err != nil {
		t.Fatal(err)
	}
	if err := d.AddDomain(t.Context(), "globex", "acme.example", globex.ID); err != nil {
		t.Errorf("a domain that was given up: %v", err)
	}
}

func TestResourceServerNeedsAudienceAndSentences(t *testing.T) {
	d, store, _ := open(t)
	text := wrong(t, second(d.CreateResourceServer(t.Context(), storage.ResourceServer{
		ID: "api", Name: "API", Audience: "not absolute", Scopes: []storage.Scope{{Name: "monitor:read"}}, TenantID: "ten_unknown",
	})))
	for _, word := range []string{"audience", "sentence", "ten_unknown"} {
		if !strings.Contains(text, word) {
			t.Errorf("no word about %s in %s", word, text)
		}
	}
	made, err := d.CreateResourceServer(t.Context(), storage.ResourceServer{
		ID: "api", Name: "API", Audience: "https://api.example/", Scopes: directory.SortedScopes(map[string]string{"monitor:read": "See"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	rs, err := store.ResourceServer(t.Context(), "api")
	if err != nil || !token.Matches(rs.Secrets, made.Secret, clock) {
		t.Errorf("the shown secret is not the resource server's (%v)", err)
	}
	if err := d.SetResourceServerEnabled(t.Context(), "api", false); err != nil {
		t.Fatal(err)
	}
	wrong(t, d.SetResourceServerEnabled(t.Context(), "nobody", false))
}

func webClient() storage.Client {
	return storage.Client{
		Name: "Board", AuthMethod: storage.AuthBasic, RedirectURIs: []string{"https://board.example/cb"}, Scopes: []string{"openid"},
		GrantTypes: []string{storage.GrantAuthorizationCode, storage.GrantRefreshToken},
	}
}

func connection() storage.Connection {
	return storage.Connection{
		Kind: storage.OIDC, Name: "Okta", Issuer: "https://idp.example", ClientID: "us", DefaultRole: storage.RoleMember, CreateUsers: true,
	}
}
