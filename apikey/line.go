package apikey

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

const (
	// page and maxPages are how many of a tenant's keys, the newest first, are looked
	// through for those that came of one.
	page     = 1000
	maxPages = 200
	// apart is how much the clocks of two nodes may differ.
	apart = time.Hour
	// longOver is after how long an ended key does not take its successors with it:
	// keys that were replaced in time lie about in old commits.
	longOver = 30 * 24 * time.Hour
)

// seizure is what is done about a key that was seen in public, and about what came of
// it.
type seizure struct {
	tenant storage.TenantID
	did    string // revoked or quarantined
	root   storage.APIKey
	told   map[storage.UserID]bool // who has heard of it
}

// seize takes one key out of use; ev is for where it is revoked.
func (k *Keys) seize(ctx context.Context, s seizure, key storage.APIKey, ev storage.Event) error {
	now := k.now()
	var err error
	if s.did == "quarantined" {
		key.QuarantinedAt = now
		err = k.cfg.Store.Tenant(s.tenant).UpdateKey(ctx, key, audit.KeyQuarantined(ctx, now, key))
	} else {
		err = k.cfg.Store.Tenant(s.tenant).RevokeKey(ctx, key.ID, now, "leaked", ev)
	}
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	return nil
}

// seizeLine takes out of use what came of a key that is out of use: whoever had its
// secret may have made it. It looks again until nothing is left, since they may be
// making more.
func (k *Keys) seizeLine(ctx context.Context, s seizure) error {
	for range attempts {
		line, err := k.line(ctx, s)
		if err != nil || len(line) == 0 {
			return err
		}
		for _, key := range line {
			if err := k.seize(ctx, s, key, audit.KeyRevoked(ctx, k.now(), key, audit.KeyBy{}, "leaked")); err != nil {
				return err
			}
			k.cfg.Log.WarnContext(ctx, "an API key came of one that was seen in public", slog.String("tenant", string(s.tenant)),
				slog.String("key", string(key.ID)), slog.String("leaked", string(s.root.ID)), slog.String("done", s.did))
			k.tellLeak(ctx, s, key)
		}
	}
	return fmt.Errorf("apikey: %w", storage.ErrConflict)
}

// line returns the live keys that came of one: made with it, or following it, or the
// same of one of those. Dead ones between are part of the way.
func (k *Keys) line(ctx context.Context, s seizure) ([]storage.APIKey, error) {
	since, err := k.descendants(ctx, s)
	if err != nil {
		return nil, err
	}
	now := k.now()
	followed := !longDead(s.root, now)
	in := map[storage.KeyID]bool{s.root.ID: true}
	var live []storage.APIKey
	for grown := true; grown; {
		grown = false
		for _, key := range slices.Backward(since) {
			follows := in[key.Predecessor] && (followed || key.Predecessor != s.root.ID)
			if in[key.ID] || !in[key.Parent] && !follows {
				continue
			}
			in[key.ID], grown = true, true
			if !dead(key, now) {
				live = append(live, key)
			}
		}
	}
	return live, nil
}

// descendants returns what can have come of a key: those that are younger, the newest
// first, and came of any.
func (k *Keys) descendants(ctx context.Context, s seizure) ([]storage.APIKey, error) {
	f := storage.KeyFilter{Now: k.now(), Limit: page}
	oldest := s.root.CreatedAt.Add(-apart)
	var out []storage.APIKey
	for range maxPages {
		keys, err := k.cfg.Store.Tenant(s.tenant).ListKeys(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("apikey: %w", err)
		}
		for _, key := range keys {
			if key.Parent != "" || key.Predecessor != "" {
				out = append(out, key)
			}
		}
		if len(keys) < page || keys[len(keys)-1].CreatedAt.Before(oldest) {
			return out, nil
		}
		f.After = keys[len(keys)-1].ID
	}
	k.cfg.Log.ErrorContext(ctx, "a tenant has more keys than are looked through for what came of a leaked one",
		slog.String("tenant", string(s.tenant)), slog.String("leaked", string(s.root.ID)))
	return out, nil
}

// longDead reports whether a key ended so long ago that its successors are not of a
// thief's making.
func longDead(key storage.APIKey, now time.Time) bool {
	end := earlier(key.RevokedAt, key.ExpiresAt)
	return !end.IsZero() && now.Sub(end) > longOver
}
