package sqlstore

import (
	"context"
	"sync"
	"time"
)

// How often the register is read while somebody waits. A node that is well says
// within a few thousandths of a second that it knows; one that is not is waited
// for at leisure.
const (
	askSoon   = 2 * time.Millisecond
	soonFor   = 40 * time.Millisecond
	askSlowly = 20 * time.Millisecond
)

// waiters are the changes that were committed and have to be known by every node.
// One goroutine asks for all of them, and lives as long as there are any.
type waiters struct {
	// ask returns what each node has applied.
	ask  func(ctx context.Context) ([]snapshot, error)
	now  func() time.Time
	said func(took time.Duration, all bool)
	wake chan struct{} // has room for one

	mu     sync.Mutex
	list   map[*waiter]struct{}
	asking bool
	slow   bool // the pause is a long one
}

// waiter is one change; known is closed when every node has applied it.
type waiter struct {
	xid   uint64
	since time.Time
	known chan struct{}
}

func newWaiters(ask func(context.Context) ([]snapshot, error), said func(time.Duration, bool)) *waiters {
	return &waiters{ask: ask, now: time.Now, said: said, wake: make(chan struct{}, 1), list: map[*waiter]struct{}{}}
}

// await returns when every node has recorded that it applied what the transaction
// did, or after a full lease: a node that has not read of it by then does not trust
// what it remembers. The transaction is committed, so no caller's end cuts this
// short.
func (ws *waiters) await(xid uint64) {
	w := &waiter{xid: xid, since: ws.now(), known: make(chan struct{})}
	ws.add(w)
	timer := time.NewTimer(fullWait)
	defer timer.Stop()
	all := true
	select {
	case <-w.known:
	case <-timer.C:
		all = ws.giveUp(w)
	}
	ws.said(ws.now().Sub(w.since), all)
}

func (ws *waiters) add(w *waiter) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.list[w] = struct{}{}
	if !ws.asking {
		ws.asking = true
		go ws.poll(context.Background())
	}
	if ws.slow {
		ws.hint()
	}
}

// giveUp reports whether the change became known at the last moment.
func (ws *waiters) giveUp(w *waiter) bool {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	_, waits := ws.list[w]
	delete(ws.list, w)
	if len(ws.list) == 0 {
		ws.hint() // to stop
	}
	return !waits
}

func (ws *waiters) count() int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return len(ws.list)
}

// hint says that somebody may know more by now.
func (ws *waiters) hint() {
	select {
	case ws.wake <- struct{}{}:
	default:
	}
}

// poll asks until nobody waits. An answer counts for those who waited before the
// question was sent: it may be older than the commit of anybody else. A question
// that fails says nothing.
func (ws *waiters) poll(ctx context.Context) {
	for asked := ws.next(); len(asked) > 0; asked = ws.next() {
		bounded, cancel := context.WithTimeout(ctx, fullWait)
		applied, err := ws.ask(bounded)
		cancel()
		if err == nil {
			ws.tell(asked, applied)
		}
		ws.pause()
	}
}

// next returns all who wait. When there are none, the asking ends.
func (ws *waiters) next() []*waiter {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	var out []*waiter
	for w := range ws.list {
		out = append(out, w)
	}
	ws.asking = len(out) > 0
	return out
}

func (ws *waiters) tell(asked []*waiter, applied []snapshot) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range asked {
		if _, waits := ws.list[w]; waits && everybody(applied, w.xid) {
			close(w.known)
			delete(ws.list, w)
		}
	}
}

// everybody reports whether all snapshots include a transaction.
func everybody(applied []snapshot, xid uint64) bool {
	for _, s := range applied {
		if !s.includes(xid) {
			return false
		}
	}
	return true
}

// pause returns when it is time to ask again: at once when nobody waits.
func (ws *waiters) pause() {
	ws.mu.Lock()
	pause := ws.patience()
	ws.slow = pause == askSlowly
	ws.mu.Unlock()
	if pause == 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ws.wake:
	}
	ws.mu.Lock()
	ws.slow = false
	ws.mu.Unlock()
}

func (ws *waiters) patience() time.Duration {
	if len(ws.list) == 0 {
		return 0
	}
	now := ws.now()
	for w := range ws.list {
		if now.Sub(w.since) < soonFor {
			return askSoon
		}
	}
	return askSlowly
}
