package signer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/storage"
)

const (
	// maxAge is how long a node relies on what it read. A key that was dropped
	// on another node is refused here after this time at the latest; Tick, run
	// more often, keeps the reading out of the requests.
	maxAge = 90 * time.Second
	// recheck is the least time between two readings that a presented signature
	// can cause, so that made-up kids do not reach the database.
	recheck = 5 * time.Second
)

// ring is the keys as they were read; it never changes.
type ring struct {
	rows   []storage.SigningKey // not removed when they were read
	keys   map[string]key       // those that opened, by kid
	jwks   []byte
	loaded time.Time
}

// active returns the key that signs at now; a row that does not open is none. On a
// node whose clock is behind, the first key of a new deployment is still to come,
// and signs all the same: it is published, and there is no other.
func (r *ring) active(alg string, now time.Time) (key, bool) {
	var first key
	for _, row := range r.rows {
		k, ok := r.keys[row.KID]
		if !ok || row.Alg != alg || row.ActiveAt.IsZero() {
			continue
		}
		if signs(row, now) {
			return k, true
		}
		if now.Before(row.ActiveAt) && (first.row.KID == "" || row.ActiveAt.Before(first.row.ActiveAt)) {
			first = k
		}
	}
	return first, first.row.KID != ""
}

// published returns the key of a kid, if it is still in the JWKS at now.
func (r *ring) published(kid string, now time.Time) (key, bool) {
	k, ok := r.keys[kid]
	return k, ok && !removed(k.row, now)
}

// load reads the keys. A key that does not open is left out and reported; when
// there are keys and none opens, the master secret is another one: ErrSealed.
func (s *Signer) load(ctx context.Context) (*ring, error) {
	now := s.now()
	rows, err := s.keys.SigningKeys(ctx, s.use)
	if err != nil {
		return nil, fmt.Errorf("signer: read keys: %w", err)
	}
	rows = slices.DeleteFunc(rows, func(k storage.SigningKey) bool { return removed(k, now) })
	slices.SortFunc(rows, byTime(func(k storage.SigningKey) time.Time { return k.CreatedAt }))
	r := &ring{rows: rows, keys: make(map[string]key, len(rows)), loaded: now}
	if err := s.openAll(ctx, r); err != nil {
		return nil, err
	}
	if err := r.encode(); err != nil {
		return nil, err
	}
	s.ring.Store(r)
	return r, nil
}

// openAll opens the keys, except those that the ring before has open already.
func (s *Signer) openAll(ctx context.Context, r *ring) error {
	var failed error
	before := s.ring.Load()
	for _, row := range r.rows {
		k, err := s.reopen(before, row)
		if err != nil {
			failed = errors.Join(failed, err)
			s.log.ErrorContext(ctx, "a signing key does not open and is left out", slog.String("kid", row.KID), slog.Any("err", err))
			continue
		}
		r.keys[row.KID] = k
	}
	if len(r.keys) == 0 && failed != nil {
		return fmt.Errorf("signer: no signing key opens with this master secret: %w", failed)
	}
	return nil
}

func (s *Signer) reopen(before *ring, row storage.SigningKey) (key, error) {
	if before != nil {
		if k, ok := before.keys[row.KID]; ok {
			k.row = row
			return k, nil
		}
	}
	return open(s.sealer, row)
}

// encode writes the JWK set (RFC 7517 section 5), in the order of creation.
func (r *ring) encode() (err error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, row := range r.rows {
		if k, ok := r.keys[row.KID]; ok {
			set.Keys = append(set.Keys, k.public)
		}
	}
	if r.jwks, err = json.Marshal(set); err != nil {
		return fmt.Errorf("signer: encode JWKS: %w", err)
	}
	return nil
}

// fresh returns the ring, read again if it is older than age. Of several callers
// one reads and the others wait for it.
func (s *Signer) fresh(ctx context.Context, age time.Duration) (*ring, error) {
	if r := s.ring.Load(); s.now().Sub(r.loaded) < age {
		return r, nil
	}
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if r := s.ring.Load(); s.now().Sub(r.loaded) < age {
		return r, nil
	}
	return s.load(ctx)
}

// lock is a mutex whose waiters can give up.
func (s *Signer) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("signer: wait for keys: %w", ctx.Err())
	}
}

func (s *Signer) unlock() { <-s.turn }
