package sqlstore

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// benchStore is a store with one tenant, client and resource server, on a
// database that writes every commit to the disk.
func benchStore(b testing.TB, dsn string) (*Store, storage.AccessToken) {
	b.Helper()
	ctx := context.Background()
	if err := Migrate(ctx, dsn); err != nil {
		b.Fatal(err)
	}
	s, err := Open(ctx, Config{DSN: dsn})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	for _, err := range []error{
		s.CreateTenant(ctx, storage.Tenant{ID: "ten_bench", Slug: "bench", Version: 1}, benchEvent()),
		s.CreateClient(ctx, storage.Client{ID: "bench", Version: 1}, benchEvent()),
		s.CreateResourceServer(ctx, storage.ResourceServer{ID: "rs_bench", Secrets: []storage.Secret{token.Seal("x", benchNow, time.Time{})},
			Scopes: []storage.Scope{{Name: "monitor:read", Description: "See your monitors"}}}, benchEvent()),
		s.Prepare(ctx, benchNow),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	a := benchToken()
	if err := s.Tenant("ten_bench").IssueToken(ctx, issued(a), benchEvent()); err != nil {
		b.Fatal(err)
	}
	return s, a
}

var benchNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func benchEvent() storage.Event {
	return storage.Event{ID: storage.NewEventID(benchNow), Time: benchNow, Kind: "token.issued", Outcome: "success",
		IP: "192.0.2.1", RequestID: "0123456789abcdef", Client: "bench"}
}

func benchToken() storage.AccessToken {
	end := benchNow.Add(time.Hour)
	ref, _ := token.Parse(token.Access, token.New(token.Access, end))
	return storage.AccessToken{Ref: ref, ID: storage.NewTokenID(benchNow), Client: "bench",
		Scopes: []string{"monitor:read"}, IssuedAt: benchNow, ExpiresAt: end}
}

// benchKey is a service key as a script asks for one.
func benchKey() storage.APIKey {
	id := storage.NewKeyID(benchNow)
	return storage.APIKey{ID: id, Profile: "live", Name: "ci", Hash: sha256.Sum256([]byte(id)), Hint: "up_live_a1b2****",
		Scopes: []string{"monitor:read"}, CreatedAt: benchNow, ExpiresAt: benchNow.Add(720 * time.Hour), Version: 1}
}

// issued is the issue of a token, decided on first versions.
func issued(a storage.AccessToken) storage.IssueToken {
	return storage.IssueToken{Token: a, ClientVersion: 1, TenantVersion: 1}
}

func BenchmarkPostgres(b *testing.B) {
	server := pgtest.New(b, pgtest.Options{Durable: true})
	s, a := benchStore(b, server.DSN("postgres"))
	operations(b, s, a)
}

func BenchmarkSQLite(b *testing.B) {
	s, a := benchStore(b, filepath.Join(b.TempDir(), "bench.db"))
	operations(b, s, a)
}

func operations(b *testing.B, s *Store, a storage.AccessToken) {
	ctx := context.Background()
	b.Run("Introspect", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, found, err := s.Introspect(ctx, "rs_bench", a.Ref); err != nil || found == nil {
					b.Error(found, err)
					return
				}
			}
		})
	})
	b.Run("IssueToken", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		t := s.Tenant("ten_bench")
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := t.IssueToken(ctx, issued(benchToken()), benchEvent()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("CreateKey", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		t := s.Tenant("ten_bench")
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := t.CreateKey(ctx, storage.CreateKey{Key: benchKey()}, benchEvent()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("IntrospectKey", func(b *testing.B) {
		k := benchKey()
		must(b, s.Tenant("ten_bench").CreateKey(ctx, storage.CreateKey{Key: k}, benchEvent()))
		b.ReportAllocs()
		b.SetParallelism(4)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, found, err := s.IntrospectKey(ctx, "rs_bench", k.Hash); err != nil || found == nil {
					b.Error(found, err)
					return
				}
			}
		})
	})
}
