package sqlstore

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func smoke(t *testing.T, dsn string) {
	ctx := context.Background()
	s, err := Open(ctx, Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	ev := func() storage.Event { return storage.Event{ID: storage.NewEventID(now), Time: now, Kind: "x"} }
	no := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tid := storage.NewTenantID(now)
	no(s.CreateTenant(ctx, storage.Tenant{ID: tid, Slug: "acme", Name: "A", CreatedAt: now, Version: 1}, ev()))
	no(s.CreateClient(ctx, storage.Client{ID: "c", Version: 1}, ev()))
	no(s.CreateResourceServer(ctx, storage.ResourceServer{ID: "rs", Version: 1}, ev()))
	tn := s.Tenant(tid)
	no(tn.CreateConnection(ctx, storage.Connection{ID: "con", Version: 1}, ev()))
	no(tn.PutDomain(ctx, storage.Domain{Name: "acme.test", Connection: "con"}, ev()))
	no(tn.PutDomain(ctx, storage.Domain{Name: "acme.test", Connection: "con"}, ev()))
	u := storage.User{ID: "u", Version: 1, Email: "a@b"}
	ses := storage.Session{ID: "ses", User: "u", Connection: "con", Handle: []byte("handle"), CreatedAt: now, LastSeenAt: now, ExpiresAt: now.Add(time.Hour), IdleTimeout: time.Hour}
	no(tn.SignIn(ctx, storage.SignIn{Identity: storage.Identity{Connection: "con", Issuer: "i", Subject: "s"}, User: u, Create: true, Session: ses}, ev()))
	ses.ID, ses.Handle = "ses2", []byte("h2")
	no(tn.SignIn(ctx, storage.SignIn{Identity: storage.Identity{Connection: "con", Issuer: "i", Subject: "s"}, User: u, Session: ses, Replaces: "ses"}, ev()))
	k := storage.Consent{User: "u", Client: "c", ClientVersion: 1, At: now, Scopes: []string{"a", "b"}}
	code, _ := token.Parse(token.Code, token.New(token.Code, now.Add(time.Minute)))
	no(tn.IssueCode(ctx, storage.IssueCode{Code: storage.Code{Ref: code, Grant: "g", User: "u", Client: "c", Session: "ses2", Connection: "con", CreatedAt: now, ExpiresAt: now.Add(time.Minute)}, ClientVersion: 1, Remember: &k}, ev()))
	_, ls, err := s.AuthorizeView(ctx, "c", "", "", [][]byte{[]byte("h2"), []byte("handle")})
	no(err)
	t.Logf("%+v", ls)
	code2, _ := token.Parse(token.Code, token.New(token.Code, now.Add(time.Minute)))
	no(tn.IssueCode(ctx, storage.IssueCode{Code: storage.Code{Ref: code2, Grant: "g2", User: "u", Client: "c", Session: "ses2", Connection: "con", CreatedAt: now, ExpiresAt: now.Add(time.Minute)}, ClientVersion: 1, RequireConsent: ls[1].Consent}, ev()))
	acc := func() storage.AccessToken {
		ref, _ := token.Parse(token.Access, token.New(token.Access, now.Add(time.Hour)))
		return storage.AccessToken{Ref: ref, ID: "t", Grant: "g", Client: "c", User: "u", IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	}
	end := now.Add(30 * 24 * time.Hour)
	r1 := token.New(token.Refresh, end)
	r2, _ := token.Successor([]byte("k"), r1)
	ref1, _ := token.Parse(token.Refresh, r1)
	ref2, _ := token.Parse(token.Refresh, r2)
	rt := func(ref storage.TokenRef) storage.RefreshToken {
		return storage.RefreshToken{Ref: ref, Grant: "g", Client: "c", IssuedAt: now, IdleUntil: end, ExpiresAt: end}
	}
	f := rt(ref1)
	no(tn.RedeemCode(ctx, storage.RedeemCode{Code: code, At: now, Grant: storage.Grant{ID: "g", User: "u", Client: "c", CreatedAt: now, ExpiresAt: end}, Access: acc(), Refresh: &f}, ev()))
	t.Log(tn.RedeemCode(ctx, storage.RedeemCode{Code: code, At: now, Grant: storage.Grant{ID: "g", User: "u", Client: "c", CreatedAt: now, ExpiresAt: end}, Access: acc(), Refresh: &f}, ev()))
	a := acc()
	no(tn.RotateRefresh(ctx, storage.RotateRefresh{Old: ref1, At: now, Successor: rt(ref2), Access: a}, ev()))
	no(tn.RotateRefresh(ctx, storage.RotateRefresh{Old: ref1, At: now, Successor: rt(ref2), Access: acc()}, ev()))
	rs, lt, err := s.Introspect(ctx, "rs", a.Ref)
	no(err)
	t.Logf("%+v %+v", rs, lt)
	_, fr, err := s.FindRefresh(ctx, "c", ref1)
	no(err)
	t.Logf("%+v", fr)
	_, fc, err := s.FindCode(ctx, "c", code)
	no(err)
	t.Logf("%+v", fc)
	_, fa, err := s.FindAccess(ctx, "", a.Ref)
	no(err)
	t.Logf("%+v", fa)
	no(s.Prepare(ctx, now))
	sw, err := s.Sweep(ctx, now.Add(100*24*time.Hour))
	no(err)
	t.Logf("%+v", sw)
	evs, err := tn.Events(ctx, "", 100)
	no(err)
	t.Log(len(evs))
	t.Log(s.Tenant("nix").AppendEvent(ctx, ev()))
}

func TestSmokeSQLite(t *testing.T) {
	p := filepath.Join(t.TempDir(), "x.db")
	_, err := Open(context.Background(), Config{DSN: p})
	t.Log(err)
	if err := Migrate(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	st, _ := os.Stat(p)
	t.Log(st.Mode())
	smoke(t, p)
}

func TestSmokePostgres(t *testing.T) {
	dsn := pgtest.Database(t)
	_, err := Open(context.Background(), Config{DSN: dsn})
	t.Log(err)
	if err := Migrate(context.Background(), dsn); err != nil {
		t.Fatal(err)
	}
	smoke(t, dsn)
}
