package sqlstore

import (
	"context"
	"errors"
	"sync"
)

// gatherer lets changes that wait for the same commit share it. What arrives
// while others are under way is taken along with the next: alone, a change does
// not wait; under load, one write to the disk serves many.
type gatherer struct {
	// send runs units in one transaction and sets each one's outcome. It may be
	// called by several goroutines, at most atOnce.
	send   func(ctx context.Context, units []*gathered)
	atOnce int

	mu      sync.Mutex
	waiting []*gathered
	sending int
}

// gathered is a unit that waits, and what became of it.
type gathered struct {
	*unit
	rows int64
	err  error
	// change is where its changes are in the order of the engine's feed: on
	// PostgreSQL the transaction that made them.
	change uint64
	done   chan struct{}
}

// maxGathered bounds the units of one transaction.
const maxGathered = 64

// errAlone is the outcome of a unit that was undone because of another one: it
// has to be run by itself.
var errAlone = errors.New("sqlstore: undone with its neighbour")

// run waits for the unit's outcome, or for the end of ctx: whether the unit was
// executed is then not known.
func (g *gatherer) run(ctx context.Context, u *unit) (*gathered, error) {
	w := &gathered{unit: u, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, w)
	if g.sending < g.atOnce {
		g.sending++
		go g.drain(context.WithoutCancel(ctx))
	}
	g.mu.Unlock()
	select {
	case <-w.done:
		return w, w.err
	case <-ctx.Done():
		return &gathered{}, ctx.Err()
	}
}

// drain sends what waits until nothing does.
func (g *gatherer) drain(ctx context.Context) {
	for {
		units := g.next()
		if units == nil {
			return
		}
		g.sendAll(ctx, units)
	}
}

func (g *gatherer) next() []*gathered {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), maxGathered)
	if n == 0 {
		g.sending--
		return nil
	}
	units := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return units
}

func (g *gatherer) sendAll(ctx context.Context, units []*gathered) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	g.send(ctx, units)
	for _, w := range units {
		close(w.done)
	}
}

// settle gives all units one outcome.
func settle(units []*gathered, err error) {
	for _, w := range units {
		w.rows, w.err = 0, err
	}
}
