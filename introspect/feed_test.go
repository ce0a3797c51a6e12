package introspect

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

var (
	errAway = errors.New("the store is away")
	today   = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
)

// memoryFeed is a feed of changes that a test makes up.
type memoryFeed struct {
	mu      sync.Mutex
	away    bool
	pending []storage.Change
	wake    chan struct{}
}

func (f *memoryFeed) Join(context.Context) (storage.Membership, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, errAway
	}
	f.pending = nil
	return f, nil
}

func (f *memoryFeed) Read(context.Context) ([]storage.Change, storage.Mark, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, "", errAway
	}
	out := f.pending
	f.pending = nil
	return out, "m", nil
}

func (f *memoryFeed) Record(context.Context, storage.Mark) error { return nil }

func (f *memoryFeed) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-f.wake:
		return nil
	}
}

func (f *memoryFeed) Leave(context.Context) error { return nil }

// tokens is a store of one resource server and the tokens that a test puts into
// it. Its feed can be away by itself.
type tokens struct {
	Store
	memoryFeed
	mu    sync.Mutex
	rs    storage.ResourceServer
	live  map[[32]byte]storage.LiveToken
	away  bool
	asked int
	// after is called when a token has been read, and before it is said.
	after func(context.Context)
}

func (s *tokens) Introspect(ctx context.Context, id storage.ResourceServerID, ref storage.TokenRef) (storage.ResourceServer, *storage.LiveToken, error) {
	s.mu.Lock()
	s.asked++
	rs, after, away := s.rs, s.after, s.away
	found, there := s.live[ref.Hash]
	s.mu.Unlock()
	after(ctx)
	switch {
	case ctx.Err() != nil:
		return storage.ResourceServer{}, nil, ctx.Err()
	case away:
		return storage.ResourceServer{}, nil, errAway
	case id != rs.ID:
		return storage.ResourceServer{}, nil, storage.ErrNotFound
	case !there:
		return rs, nil, nil
	}
	return rs, &found, nil
}

func (s *tokens) ResourceServer(context.Context, storage.ResourceServerID) (storage.ResourceServer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.away {
		return storage.ResourceServer{}, errAway
	}
	return s.rs, nil
}

func (s *tokens) AppendPlatformEvent(context.Context, storage.Event) error { return nil }

func (s *tokens) set(set func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set()
}

func (s *tokens) statements() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// bubble is a Server on tokens, with a node that has its lease, on a clock of its
// own.
type bubble struct {
	*Server
	t     *testing.T
	store *tokens
}

const apiSecret = "resource-server-secret"

func demoAPI() storage.ResourceServer {
	return storage.ResourceServer{
		ID: "demo-api", Audience: "https://api.example.com", CreatedAt: today, Version: 1,
		Secrets: []storage.Secret{token.Seal(apiSecret, today, time.Time{})}, Scopes: []storage.Scope{{Name: "monitor:read"}},
	}
}

// inBubble calls the test in a bubble of testing/synctest.
func inBubble(t *testing.T, test func(b bubble)) {
	synctest.Test(t, func(t *testing.T) {
		store := &tokens{
			rs: demoAPI(), live: map[[32]byte]storage.LiveToken{}, after: func(context.Context) {},
			memoryFeed: memoryFeed{wake: make(chan struct{}, 1)},
		}
		began := time.Now()
		node := coherence.New(coherence.Config{Feed: store, Boot: func() time.Duration { return time.Since(began) }})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- node.Run(ctx) }()
		synctest.Wait()
		test(bubble{t: t, store: store, Server: New(Config{Store: store, Issuer: "https://auth.example.com", Node: node, CacheBytes: 1 << 20})})
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// issue puts a live token into the store.
func (b bubble) issue() string {
	secret := token.New(token.Access, time.Now().Add(time.Hour))
	b.resume(secret)
	return secret
}

func refOf(t *testing.T, secret string) storage.TokenRef {
	ref, err := token.Parse(token.Access, secret)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// resume makes a token live.
func (b bubble) resume(secret string) {
	ref := refOf(b.t, secret)
	b.store.set(func() {
		b.store.live[ref.Hash] = storage.LiveToken{AccessToken: storage.AccessToken{
			Ref: ref, ID: "tok_1", Client: "demo-m2m", Scopes: []string{"monitor:read"}, IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour),
		}, Life: storage.Life{TenantID: "ten_1", TenantSlug: "acme"}}
	})
}

// revoke kills a token, and returns when the node knows.
func (b bubble) revoke(secret string) {
	ref := refOf(b.t, secret)
	b.store.set(func() { delete(b.store.live, ref.Hash) })
	b.change(storage.ChangeTenant, "ten_1")
}

func (b bubble) change(kind storage.ChangeKind, id string) {
	b.store.memoryFeed.mu.Lock()
	b.store.pending = append(b.store.pending, storage.Change{Kind: kind, ID: id})
	b.store.memoryFeed.mu.Unlock()
	b.store.wake <- struct{}{}
	synctest.Wait()
}

// put asks about a token, as demo-api.
func (b bubble) put(secret string) (verdict, error) {
	return b.ask(b.t.Context(), caller{ID: "demo-api", Secret: apiSecret, Method: storage.AuthBasic}, question{now: time.Now(), token: secret})
}

// want asks and compares what the answer is and how many statements it cost.
func (b bubble) want(secret, why string, statements int) {
	b.t.Helper()
	before := b.store.statements()
	v, err := b.put(secret)
	if err != nil || v.why != why {
		b.t.Errorf("%q, %v; want %q", v.why, err, why)
	}
	if n := b.store.statements() - before; n != statements {
		b.t.Errorf("%d statements, want %d", n, statements)
	}
}
