package sqlstore

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// localFeed is the feed of a store that one process has to itself: SQLite's. It is
// kept in memory, since what remembers answers dies with it.
type localFeed struct {
	now  func() time.Time
	said func(took time.Duration, all bool)

	mu      sync.Mutex
	closed  bool
	member  *localMember            // nil: nobody remembers anything
	last    uint64                  // the number of the last change
	log     []storage.Change        // what the member has not read, up to the last
	waiting map[*localWaiter]uint64 // each for the change of that number
}

// localWaiter is a change that has to be known; known is closed when it is.
type localWaiter struct{ known chan struct{} }

// localMember is a membership.
type localMember struct {
	feed           *localFeed
	read, recorded uint64
	wake           chan struct{} // has room for one
	over           chan struct{} // closed at its end
}

func newLocalFeed(cfg Config) *localFeed {
	return &localFeed{now: time.Now, said: cfg.OnWait, waiting: map[*localWaiter]uint64{}}
}

// publish adds what a transaction changed, after its commit and before anybody who
// waited for that goes on. It returns the number of the last change.
func (f *localFeed) publish(changes []storage.Change) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last += uint64(len(changes))
	if f.member != nil && len(changes) > 0 {
		f.log = append(f.log, changes...)
		select {
		case f.member.wake <- struct{}{}:
		default:
		}
	}
	return f.last
}

// await returns when the member has recorded the change of this number, when there
// is nobody to know it, or after a full lease.
func (f *localFeed) await(number uint64) {
	since, all := f.now(), true
	if w := f.enlist(number); w != nil {
		timer := time.NewTimer(fullWait)
		select {
		case <-w.known:
		case <-timer.C:
			all = f.giveUp(w)
		}
		timer.Stop()
	}
	f.said(f.now().Sub(since), all)
}

// enlist returns nil when there is nothing to wait for.
func (f *localFeed) enlist(number uint64) *localWaiter {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.member == nil || f.member.recorded >= number {
		return nil
	}
	w := &localWaiter{known: make(chan struct{})}
	f.waiting[w] = number
	return w
}

// giveUp reports whether the change became known at the last moment.
func (f *localFeed) giveUp(w *localWaiter) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, waits := f.waiting[w]
	delete(f.waiting, w)
	return !waits
}

func (f *localFeed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.waiting)
}

// release ends the waiting for the changes up to a number.
func (f *localFeed) release(number uint64) {
	for w, n := range f.waiting {
		if n <= number {
			close(w.known)
			delete(f.waiting, w)
		}
	}
}

// Join implements storage.Feed.
func (f *localFeed) Join(ctx context.Context) (storage.Membership, error) {
	if err := ctx.Err(); err != nil {
		return nil, wrap("join", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, wrap("join", errOver)
	}
	f.end()
	f.member = &localMember{feed: f, read: f.last, recorded: f.last, wake: make(chan struct{}, 1), over: make(chan struct{})}
	return f.member, nil
}

// end ends the membership that there is: nobody waits for it any more.
func (f *localFeed) end() {
	if f.member == nil {
		return
	}
	if !f.closed {
		close(f.member.over)
	}
	f.member, f.log = nil, nil
	f.release(f.last)
}

// close ends the membership of a store that is closed. It is waited for all the
// same until it has left: it may not have noticed.
func (f *localFeed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.member != nil && !f.closed {
		close(f.member.over)
	}
	f.closed = true
}

// ended returns an error for a membership that is over. The feed is locked.
func (m *localMember) ended() error {
	switch {
	case m.feed.closed:
		return errOver
	case m.feed.member != m:
		return fmt.Errorf("%w: %w", errOver, storage.ErrNotFound)
	}
	return nil
}

// Read implements storage.Membership.
func (m *localMember) Read(context.Context) ([]storage.Change, storage.Mark, error) {
	m.feed.mu.Lock()
	defer m.feed.mu.Unlock()
	if err := m.ended(); err != nil {
		return nil, "", wrap("read changes", err)
	}
	changes := m.feed.log
	m.feed.log, m.read = nil, m.feed.last
	return changes, storage.Mark(strconv.FormatUint(m.read, 10)), nil
}

// Record implements storage.Membership.
func (m *localMember) Record(_ context.Context, mark storage.Mark) error {
	number, err := strconv.ParseUint(string(mark), 10, 64)
	if err != nil {
		return wrap("record", err)
	}
	m.feed.mu.Lock()
	defer m.feed.mu.Unlock()
	if err := m.ended(); err != nil {
		return wrap("record", err)
	}
	m.recorded = min(number, m.read)
	m.feed.release(m.recorded)
	return nil
}

// Wait implements storage.Membership.
func (m *localMember) Wait(ctx context.Context) error {
	select {
	case <-m.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-m.over:
	}
	m.feed.mu.Lock()
	defer m.feed.mu.Unlock()
	return wrapped("wait", m.ended())
}

// Leave implements storage.Membership.
func (m *localMember) Leave(context.Context) error {
	m.feed.mu.Lock()
	defer m.feed.mu.Unlock()
	if m.feed.member == m {
		m.feed.end()
	}
	return nil
}
