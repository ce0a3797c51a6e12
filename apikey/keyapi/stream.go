package keyapi

import (
	"context"
	"errors"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// The pace of a stream.
const (
	beat = 200 * time.Millisecond
	// watched and unwatched are after how many beats a key is read although nothing
	// says that it changed: less than a second, because an owner's or a credential's
	// end may be told by nothing else.
	watched, unwatched = 4, 2
	// patience is how long the store may be away before a stream says so.
	patience = 5 * time.Second
	// readTimeout bounds one look at the store.
	readTimeout = 2 * time.Second
)

// stream tells one listener about one key.
type stream struct {
	id  storage.KeyID
	now func() time.Time
	// read returns the key with what its life hangs on; nil: there is none.
	read func(ctx context.Context) (*storage.LiveKey, error)
	// changed reports whether something may have changed since it was asked last; nil:
	// nobody knows.
	changed func() bool
	// entitled reports whether the listener may listen still.
	entitled func(ctx context.Context) (bool, error)
	// send tells an event.
	send func(Event) error

	last  sight
	beats int
	// away is since when the store has not answered; zero: it does.
	away time.Time
	// unknown is set when the listener was told so.
	unknown bool
}

// errOver ends a stream in good order.
var errOver = errors.New("the stream has said everything")

// run tells until the key or the listener's right ends, or ctx does.
func (s *stream) run(ctx context.Context, beats <-chan time.Time) error {
	err := s.look(ctx, s.greet)
	for err == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beats:
			err = s.beat(ctx)
		}
	}
	if errors.Is(err, errOver) {
		return nil
	}
	return err
}

// beat looks when there is a reason to.
func (s *stream) beat(ctx context.Context) error {
	s.beats++
	if !s.due() {
		return nil
	}
	if s.unknown || s.last.key.ID == "" {
		return s.look(ctx, s.greet)
	}
	return s.look(ctx, s.tell)
}

// due reports whether the key is to be read now. The watch is asked on every beat:
// what it says once it does not say again.
func (s *stream) due() bool {
	every := unwatched
	changed := false
	if s.changed != nil {
		every, changed = watched, s.changed()
	}
	end := s.last.key.ExpiresAt
	ended := !end.IsZero() && !s.now().Before(end)
	return changed || ended || !s.away.IsZero() || s.beats%every == 0
}

// look reads the key and the listener's right. Neither is believed when the store is
// away: then the stream stays open, and after a while says that it knows nothing.
func (s *stream) look(ctx context.Context, say func(sight) error) error {
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	k, err := s.read(bounded)
	entitled := false
	if err == nil {
		entitled, err = s.entitled(bounded)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return s.wait()
	}
	s.away, s.unknown = time.Time{}, false
	if err := say(see(s.id, k, s.now())); err != nil {
		return err
	}
	if s.last.over() || !entitled {
		return errOver
	}
	return nil
}

// wait notes that the store is away.
func (s *stream) wait() error {
	now := s.now()
	if s.away.IsZero() {
		s.away = now
	}
	if s.unknown || now.Sub(s.away) < patience {
		return nil
	}
	s.unknown = true
	return s.send(Event{Kind: KindUnknown, Key: string(s.id), At: now.UTC()})
}

// greet says how the key is, and its end, when it has ended.
func (s *stream) greet(next sight) error {
	now := s.now()
	s.last = next
	if err := s.send(next.event(KindState, now)); err != nil || !next.over() {
		return err
	}
	return s.say(next, sight{state: Live, key: next.key})
}

// tell says what has happened since the last look.
func (s *stream) tell(next sight) error {
	before := s.last
	s.last = next
	return s.say(next, before)
}

func (s *stream) say(next, before sight) error {
	for _, kind := range next.since(before) {
		if err := s.send(next.event(kind, s.now())); err != nil {
			return err
		}
	}
	return nil
}
