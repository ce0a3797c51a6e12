package guard

import (
	"context"
	"sync"
	"time"
)

// question is what is asked, without the token itself.
type question struct {
	digest [32]byte // SHA-256 of the token
	tenant string   // as the call names it; "" for none
	// ip and proto are where the call came from; "" when it is not known.
	ip, proto string
	// key: it has the form of an API key. Each use of a key counts, and what is said
	// about it holds for where it came from, so that no two calls share an answer.
	key bool
	// scope is what the call needs of a key, for the record of its use; "" of a token.
	scope string
}

// patience is how long a call waits for its turn behind the same question of
// another one, before it goes beside it: that one may hang.
const patience = 25 * time.Millisecond

// lanes lets calls that ask the same question at the same time share a request.
//
// A request that is on its way may have been answered before a call came in, and
// the token revoked in between: whoever took that answer would let a dead token
// pass. So nobody joins a request that was sent. The first call asks at once; those
// that come meanwhile gather for the next request, which is sent when the one
// before is back (or after patience), and belongs to all of them: each came before
// it left. However many calls there are, about one request is on its way for each
// question, and nobody waits for more than two.
type lanes struct {
	mu sync.Mutex
	of map[question]*lane
}

// lane is one question that somebody asks right now.
type lane struct {
	sent int     // requests on their way: too early for whoever comes now
	next *flight // not sent yet: for whoever comes now; nil: nobody came
}

// flight is a request that several calls share.
type flight struct {
	ctx    context.Context
	cancel context.CancelFunc
	calls  int           // that still want the answer
	clear  chan struct{} // closed when no request is on its way any more
	landed chan struct{} // closed when reply is there
	reply  reply
}

// do returns the reply to a request that send sent after do was called. It waits no
// longer than ctx, and than a limit of its own.
func (l *lanes) do(ctx context.Context, limit time.Duration, q question, send func(context.Context) reply) reply {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	f, first := l.board(ctx, limit, q)
	if f == nil {
		defer l.land(q)
		return send(ctx)
	}
	if first {
		go l.fly(q, f, send)
	}
	select {
	case <-f.landed:
		r := f.reply
		if !first {
			r.attempts = 0
		}
		return r
	case <-ctx.Done():
		l.leave(q, f)
		return reply{err: unavailable(ctx.Err())}
	}
}

// board returns the flight that a call shares, and whether it is the first to; nil
// when nobody asks the same, so that the call asks for itself.
func (l *lanes) board(ctx context.Context, limit time.Duration, q question) (f *flight, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.of[q]
	if now == nil {
		l.of[q] = &lane{sent: 1}
		return nil, true
	}
	if first = now.next == nil; first {
		now.next = newFlight(ctx, limit)
	}
	now.next.calls++
	return now.next, first
}

// newFlight has the values of the call that makes it, and not its end: the others
// still want an answer when that one goes away.
func newFlight(ctx context.Context, limit time.Duration) *flight {
	f := &flight{clear: make(chan struct{}), landed: make(chan struct{})}
	f.ctx, f.cancel = context.WithTimeout(context.WithoutCancel(ctx), limit)
	return f
}

func (l *lanes) fly(q question, f *flight, send func(context.Context) reply) {
	defer f.cancel()
	defer close(f.landed)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-f.clear:
	case <-timer.C:
	case <-f.ctx.Done():
	}
	if l.depart(q, f) {
		defer l.land(q)
		f.reply = send(f.ctx)
	}
}

// depart closes the doors. It reports false when everybody has left.
func (l *lanes) depart(q question, f *flight) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.of[q]
	if now == nil || now.next != f {
		return false
	}
	now.next = nil
	now.sent++
	return true
}

// leave is for a call that waits no longer. The last one takes the flight with it.
func (l *lanes) leave(q question, f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.calls--; f.calls > 0 {
		return
	}
	f.cancel()
	if now := l.of[q]; now != nil && now.next == f {
		now.next = nil
		l.settle(q, now)
	}
}

// land is the end of a request.
func (l *lanes) land(q question) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.of[q]
	now.sent--
	l.settle(q, now)
}

// settle lets the next flight go when nothing is before it, and forgets a lane in
// which nothing moves.
func (l *lanes) settle(q question, now *lane) {
	switch {
	case now.sent > 0:
	case now.next != nil:
		close(now.next.clear)
	default:
		delete(l.of, q)
	}
}
