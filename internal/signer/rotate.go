package signer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// attempts is how often a change is tried that other nodes get ahead of.
const attempts = 8

// step changes a line of keys, and says in a word what a change of it is.
type step func(l *line) (what string, err error)

// Tick does what the schedule asks for now: it makes missing keys, lets the next
// take over from one that has signed for long enough, seals under the newest
// master what an older one sealed, and reads what other nodes did. Running it again, or on several nodes at once, changes nothing more. Run
// it once a minute or more often; it costs one statement when nothing is due.
func (s *Signer) Tick(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	r, err := s.load(ctx)
	if err != nil {
		return err
	}
	if r, err = s.reseal(ctx, r); err != nil {
		return err
	}
	for _, alg := range s.algs {
		if r, err = s.change(ctx, r, alg, s.keepUp(alg)); err != nil {
			return err
		}
	}
	return nil
}

// Rotate lets the next key of alg take over: at once if it has been published
// for long enough, otherwise as soon as it has. In both cases a new next is
// published now. ErrAlg.
func (s *Signer) Rotate(ctx context.Context, alg string) error {
	if !slices.Contains(s.algs, alg) {
		return fmt.Errorf("%w %q", ErrAlg, alg)
	}
	return s.command(ctx, alg, func(l *line) (string, error) {
		if err := s.publish(l, alg); err != nil {
			return "", err
		}
		l.promote()
		return "activated", s.publish(l, alg)
	})
}

// Drop is for a compromised key: it leaves the JWKS at once, nothing that it
// signed verifies any more, and if it was signing, the next signs from now on.
// Other nodes follow within 90 seconds. ErrUnknownKey.
func (s *Signer) Drop(ctx context.Context, kid string) error {
	alg, err := s.algOf(ctx, kid)
	if err != nil {
		return err
	}
	return s.command(ctx, alg, func(l *line) (string, error) {
		if !l.drop(kid) {
			return "", fmt.Errorf("%w %q", ErrUnknownKey, kid)
		}
		if err := s.publish(l, alg); err != nil {
			return "", err
		}
		if !l.signing() {
			l.promote()
		}
		return "dropped", s.publish(l, alg)
	})
}

// keepUp is the step of the schedule.
func (s *Signer) keepUp(alg string) step {
	return func(l *line) (string, error) {
		if err := s.publish(l, alg); err != nil {
			return "", err
		}
		if l.due() {
			l.promote()
			return "activated", s.publish(l, alg)
		}
		l.link()
		return "created", nil
	}
}

// publish makes sure that a next key is published.
func (s *Signer) publish(l *line, alg string) error {
	if len(l.next) > 0 {
		return nil
	}
	row, err := newRow(s.sealer, alg, l.now)
	if err != nil {
		return err
	}
	row.Use = s.use
	l.next = append(l.next, row)
	return nil
}

// command is a change that somebody asked for, on keys as they are now.
func (s *Signer) command(ctx context.Context, alg string, do step) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	r, err := s.load(ctx)
	if err != nil {
		return err
	}
	_, err = s.change(ctx, r, alg, do)
	return err
}

func (s *Signer) algOf(ctx context.Context, kid string) (string, error) {
	r, err := s.fresh(ctx, 0)
	if err != nil {
		return "", err
	}
	for _, row := range r.rows {
		if row.KID == kid {
			return row.Alg, nil
		}
	}
	return "", fmt.Errorf("%w %q", ErrUnknownKey, kid)
}

// change applies a step and stores what it changed. When another node was
// faster, it reads and decides again. It returns the ring after the change.
func (s *Signer) change(ctx context.Context, r *ring, alg string, do step) (*ring, error) {
	for range attempts {
		done, err := s.try(ctx, r, alg, do)
		if err == nil && done {
			return s.load(ctx)
		}
		if err == nil {
			return r, nil
		}
		if !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrExists) {
			return nil, err
		}
		if r, err = s.load(ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("signer: change %s keys: %w", alg, storage.ErrConflict)
}

// try makes one attempt; done says whether something was written.
func (s *Signer) try(ctx context.Context, r *ring, alg string, do step) (done bool, err error) {
	now := s.now()
	l := newLine(r.rows, alg, s.schedule, now)
	before := l.keys()
	what, err := do(l)
	if err != nil {
		return false, err
	}
	changed := changes(before, l.keys())
	if len(changed) == 0 {
		return false, nil
	}
	kids := kidsOf(changed)
	if err := s.keys.PutSigningKeys(ctx, l.guard(changed), audit.SigningKeysChanged(ctx, now, kids, what)); err != nil {
		return false, fmt.Errorf("signer: store keys: %w", err)
	}
	s.log.InfoContext(ctx, "signing keys changed", slog.String("alg", alg), slog.String("what", what), slog.Any("kids", kids))
	return true, nil
}

func kidsOf(rows []storage.SigningKey) []string {
	kids := make([]string, len(rows))
	for i, row := range rows {
		kids[i] = row.KID
	}
	return kids
}
