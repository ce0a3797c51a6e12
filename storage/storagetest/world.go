package storagetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// start is where every test's clock stands at first. It is no round number, so
// that a lost millisecond shows.
var start = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

const (
	codeLife    = time.Minute
	accessLife  = time.Hour
	refreshLife = 30 * 24 * time.Hour
	idleLife    = 14 * 24 * time.Hour
)

// world is a deployment with two tenants that look alike.
type world struct {
	*testing.T
	store  storage.Store
	now    time.Time
	client storage.Client
	rs     storage.ResourceServer
	a, b   *home
}

// home is one tenant with one of everything.
type home struct {
	storage.TenantStore
	tenant     storage.Tenant
	connection storage.Connection
	domain     storage.Domain
	user       storage.User
	identity   storage.Identity
	session    storage.Session
	consent    storage.Consent
	code       storage.Code // not redeemed
	redeemed   storage.Code // of the grant
	grant      storage.Grant
	access     storage.AccessToken
	refresh    storage.RefreshToken
	keyring
	signing
}

// serial makes names that no other world has.
var serial atomic.Int64

func newWorld(t *testing.T, s storage.Store) *world {
	t.Helper()
	w := &world{T: t, store: s, now: start}
	w.client = storage.Client{
		ID: storage.NewClientID(w.now), Name: "Demo", URI: "https://demo.test", AuthMethod: storage.AuthBasic,
		Secrets:    []storage.Secret{token.Seal(token.NewSecret(), w.now, time.Time{}), token.Seal(token.NewSecret(), w.now, w.now.Add(time.Hour))},
		GrantTypes: []string{storage.GrantAuthorizationCode, storage.GrantRefreshToken}, RedirectURIs: []string{"https://demo.test/cb", "https://demo.test/b c"},
		PostLogoutRedirectURIs: []string{"https://demo.test/out"}, Scopes: []string{"openid", "monitor:read"},
		FormPost: true, PKCEOptional: true, IDTokenAlg: "ES256", Verified: true, CreatedAt: w.now, Version: 1,
		BackchannelLogoutURI: "https://demo.test/backchannel", BackchannelSession: true,
	}
	w.rs = storage.ResourceServer{
		ID: storage.NewResourceServerID(w.now), Name: "API", Audience: "https://api.test",
		Secrets: []storage.Secret{token.Seal(token.NewSecret(), w.now, time.Time{})},
		Scopes:  []storage.Scope{{Name: "monitor:read", Description: "See your monitors", Sensitive: true}}, CreatedAt: w.now, Version: 1,
	}
	w.must(s.CreateClient(t.Context(), w.client, w.event("client.created")))
	w.must(s.CreateResourceServer(t.Context(), w.rs, w.event("resource_server.created")))
	w.a, w.b = w.newHome(), w.newHome()
	return w
}

// newHome makes a tenant with one of everything.
func (w *world) newHome() *home {
	w.Helper()
	n := serial.Add(1)
	h := &home{tenant: storage.Tenant{
		ID: storage.NewTenantID(w.now), Slug: fmt.Sprintf("slug-%08d", n), Name: "Name", CreatedAt: w.now, Version: 1,
		Policy: storage.TenantPolicy{SessionIdle: time.Minute, OnlyListedClients: true, Clients: []storage.ClientID{w.client.ID}},
	}}
	w.must(w.store.CreateTenant(w.Context(), h.tenant, w.event("tenant.created")))
	h.TenantStore = w.store.Tenant(h.tenant.ID)
	h.connection = w.newConnection()
	w.must(h.CreateConnection(w.Context(), h.connection, w.event("connection.created")))
	h.domain = storage.Domain{Name: fmt.Sprintf("d%d.test", n), Connection: h.connection.ID, VerifiedAt: w.now,
		Token: "watchgate=x", CreatedAt: w.now.Add(-time.Hour), CheckedAt: w.now, FailingSince: w.now, SSORequired: true, ByOperator: true}
	w.must(h.PutDomain(w.Context(), h.domain, w.event("domain.verified")))
	h.domain.Version = 1
	in := w.signIn(h)
	h.user, h.identity, h.session = in.User, in.Identity, in.Session
	w.must(h.SignIn(w.Context(), in, w.event("user.signed_in")))
	issue := w.issue(h)
	h.consent = storage.Consent{User: h.user.ID, Client: w.client.ID, RedirectHost: "demo.test", Resource: "https://api.test",
		Scopes: []string{"openid", "monitor:read"}, ClientVersion: w.client.Version, At: w.now}
	issue.Remember = &h.consent
	h.redeemed = issue.Code
	w.must(h.IssueCode(w.Context(), issue, w.event("code.issued"), w.event("consent.given")))
	redeem := w.redeem(h.redeemed)
	h.grant, h.access, h.refresh = redeem.Grant, redeem.Access, *redeem.Refresh
	w.must(h.RedeemCode(w.Context(), redeem, w.event("code.redeemed")))
	h.redeemed.UsedAt = w.now
	issue = w.issue(h)
	issue.Code.Grant = storage.NewGrantID(w.now.Add(time.Millisecond)) // so that it is the newer one
	h.code = issue.Code
	w.must(h.IssueCode(w.Context(), issue, w.event("code.issued")))
	h.signing = w.drawSigning(h)
	w.newKeyring(h)
	w.newSigning(h)
	return h
}

func (w *world) newConnection() storage.Connection {
	return storage.Connection{
		ID: storage.NewConnectionID(w.now), Kind: storage.OIDC, Name: "Okta", Issuer: "https://idp.test", ClientID: "up",
		SealedSecret: []byte{0, 1, 255}, Scopes: []string{"openid", "email"}, Algs: []string{"RS256"}, CreateUsers: true,
		DefaultRole: storage.RoleMember, RoleClaim: "groups role", CreatedAt: w.now, Version: 1,
		SealedNextSecret: []byte{2, 0, 254}, SecretExpiresAt: w.now.AddDate(1, 0, 0), SecretWarnedAt: w.now.Add(-time.Hour),
		Preset: storage.PresetEntra, Settings: storage.ConnectionSettings{DirectoryIDs: []string{"d i d"}, AllowGuests: true,
			RoleRules:    []storage.RoleRule{{Value: "admins", Role: storage.RoleAdmin}},
			UnmappedRole: storage.RoleViewer, MFA: storage.UpstreamMFA{AMR: []string{"mfa"}, AskFor: []string{"c1"}}},
	}
}

// signIn is the first sign-in of somebody new.
func (w *world) signIn(h *home) storage.SignIn {
	user := storage.User{
		ID: storage.NewUserID(w.now), Role: storage.RoleMember, Email: "Alice@acme.test", EmailVerified: true, ProvedEmail: "bob@acme.test",
		Claims: map[string]any{"name": "Alice", "address": map[string]any{"country": "DE"}, "updated_at": 12.0}, CreatedAt: w.now, Version: 1,
	}
	return storage.SignIn{
		Identity: storage.Identity{Connection: h.connection.ID, Issuer: h.connection.Issuer, Subject: string(user.ID)},
		User:     user, Create: true, Session: w.newSession(user.ID, h.connection.ID),
	}
}

func (w *world) newSession(user storage.UserID, c storage.ConnectionID) storage.Session {
	id := storage.NewSessionID(w.now)
	return storage.Session{
		ID: id, User: user, Connection: c, Handle: hash(token.NewSecret()),
		AuthTime: w.now.Add(-time.Second), ACR: "mfa", AMR: []string{"pwd", "one time"}, CreatedAt: w.now, LastSeenAt: w.now,
		ExpiresAt: w.now.Add(24 * time.Hour), IdleTimeout: time.Hour, Level: storage.LevelPHR, MFAAt: w.now.Add(-time.Minute),
		IP: "2001:db8::1", UserAgent: "Browser 1", UpstreamSID: "sid of " + string(id),
	}
}

// issue is a code for the tenant's user, by the common client.
func (w *world) issue(h *home) storage.IssueCode {
	return storage.IssueCode{ClientVersion: w.client.Version, TenantVersion: h.tenant.Version, Handle: h.session.Handle, Code: storage.Code{
		Ref: ref(token.Code, w.now.Add(codeLife)), Grant: storage.NewGrantID(w.now), User: h.user.ID, Client: w.client.ID,
		Session: h.session.ID, Connection: h.connection.ID, RedirectURI: "https://demo.test/cb", RedirectSent: true,
		Challenge: "challenge", Nonce: "nonce", Scopes: []string{"openid", "monitor:read"}, Resource: []string{"https://api.test"},
		Claims: `{"userinfo":{}}`, Auth: storage.Authentication{AuthTime: h.session.AuthTime, ACR: "mfa", AMR: h.session.AMR, Level: storage.LevelMFA, MFATime: h.session.MFAAt},
		AuthTimeRequired: true, CreatedAt: w.now, ExpiresAt: w.now.Add(codeLife),
	}}
}

// issueToken is a token by the common client.
func (w *world) issueToken(h *home, a storage.AccessToken) storage.IssueToken {
	return storage.IssueToken{Token: a, ClientVersion: w.client.Version, TenantVersion: h.tenant.Version}
}

// redeem is the redemption of a code, with a refresh token.
func (w *world) redeem(c storage.Code) storage.RedeemCode {
	end := w.now.Add(refreshLife)
	refresh := storage.RefreshToken{Ref: ref(token.Refresh, end), Grant: c.Grant, Client: c.Client, IssuedAt: w.now,
		IdleUntil: w.now.Add(idleLife), ExpiresAt: end}
	return storage.RedeemCode{
		Code: c.Ref, At: w.now,
		Grant: storage.Grant{ID: c.Grant, User: c.User, Client: c.Client, Session: c.Session, Origin: c.Session, Connection: c.Connection, Scopes: c.Scopes,
			Resource: c.Resource, Auth: c.Auth, Nonce: c.Nonce, Claims: c.Claims, CreatedAt: w.now, ExpiresAt: end},
		Access: w.newAccess(c), Refresh: &refresh,
	}
}

func (w *world) newAccess(c storage.Code) storage.AccessToken {
	end := w.now.Add(accessLife)
	return storage.AccessToken{
		Ref: ref(token.Access, end), ID: storage.NewTokenID(w.now), Grant: c.Grant, Client: c.Client, User: c.User, Session: c.Session,
		Connection: c.Connection, Scopes: c.Scopes, Audience: c.Resource, Auth: c.Auth, Claims: c.Claims, IssuedAt: w.now, ExpiresAt: end,
	}
}

// rotate is a refresh by old; the successor is derived from it.
func (w *world) rotate(h *home, old storage.RefreshToken) storage.RotateRefresh {
	next := old
	next.Ref.Hash = sha256.Sum256(old.Ref.Hash[:])
	next.Parent = old.Ref.Hash[:]
	next.IssuedAt, next.IdleUntil, next.RotatedAt = w.now, w.now.Add(idleLife), time.Time{}
	return storage.RotateRefresh{Old: old.Ref, At: w.now, Successor: next, Access: w.newAccess(h.redeemed)}
}

// event is an event with every field set, later than all before it.
func (w *world) event(kind string) storage.Event {
	n := serial.Add(1)
	at := w.now.Add(time.Duration(n) * time.Millisecond)
	return storage.Event{
		ID: storage.NewEventID(at), Time: at, Kind: kind, Outcome: "success", Reason: "because", ActorKind: "user", ActorID: "usr_x",
		User: "usr_x", Client: "app_x", Session: "ses_x", Grant: "grt_x", Connection: "con_x", Object: "object",
		IP: "192.0.2.1", UserAgent: "agent", RequestID: "request", Details: map[string]string{"k": "v"},
	}
}

func ref(kind token.Kind, expires time.Time) storage.TokenRef {
	r, err := token.Parse(kind, token.New(kind, expires))
	if err != nil {
		panic(err)
	}
	return r
}

func hash(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// must fails the test for an error.
func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// want fails the test unless err is the sentinel (or nil).
func (w *world) want(err, sentinel error) {
	w.Helper()
	if !errors.Is(err, sentinel) {
		w.Errorf("error = %v, want %v", err, sentinel)
	}
}

// same fails the test unless what was stored is what was given.
func (w *world) same(got, want any) {
	w.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		w.Errorf("not as stored (-want +got):\n%s", diff)
	}
}

// get is a value, of a call that must not fail.
func get[T any](v T, err error) func(w *world) T {
	return func(w *world) T {
		w.Helper()
		w.must(err)
		return v
	}
}
