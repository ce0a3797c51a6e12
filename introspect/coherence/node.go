package coherence

import (
	"hash/maphash"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/boottime"
	"github.com/watchgate/watchgate/storage"
)

// Mark stands for the changes that were applied when it was noted.
type Mark uint64

// Cell is the place of a thing that an answer hangs on.
type Cell uint32

// cells is how many there are: 2 MiB of numbers. With a million answers that hang
// on eight things each, a change makes about thirty of them be read once more.
const cells = 1 << 18

// Config is what a Node needs.
type Config struct {
	// Feed tells what changed. nil: nothing is ever current, and Run does nothing.
	Feed storage.Feed
	// Boot is a clock that never steps and counts time spent suspended; nil: the
	// machine's.
	Boot func() time.Duration
	Now  func() time.Time // the wall clock; nil: time.Now
	Log  *slog.Logger     // nil: nothing is logged
	// Registerer gets the metrics; nil: none are kept.
	Registerer prometheus.Registerer
}

// Node is this process's knowledge of what changed. Its methods may be called at
// any time by any number of goroutines.
type Node struct {
	cfg   Config
	seed  maphash.Seed
	lease atomic.Pointer[lease] // nil: none
	// changes is the number of the last change; floor is below every mark that may
	// be trusted. Only the goroutine of Run writes.
	changes, floor atomic.Uint64
	// read is when the last reading of changes began that was applied; 0: never.
	read    atomic.Int64
	cells   [cells]atomic.Uint64
	metrics metrics
}

// New returns a Node that holds no lease until Run has got one.
func New(cfg Config) *Node {
	if cfg.Boot == nil {
		cfg.Boot = boottime.Now
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	n := &Node{cfg: cfg, seed: maphash.MakeSeed()}
	n.metrics = newMetrics(n)
	return n
}

// Cell returns the place of a thing, named as in [storage.Change].
func (n *Node) Cell(kind storage.ChangeKind, tenant storage.TenantID, id string) Cell {
	var h maphash.Hash
	h.SetSeed(n.seed)
	h.WriteString(string(kind))
	h.WriteByte(0)
	h.WriteString(string(tenant))
	h.WriteByte(0)
	h.WriteString(id)
	return Cell(h.Sum64() % cells)
}

// Mark returns where this node is. Note it before the database is asked for what
// is to be remembered.
func (n *Node) Mark() Mark { return Mark(n.changes.Load()) }

// Current reports whether an answer that was read after m was noted, and hangs on
// the given cells, is what the database would say now.
func (n *Node) Current(m Mark, on []Cell) bool { return n.Held() && n.Unchanged(m, on) }

// Unchanged is Current for who has just seen that the lease is held, and has more
// than one answer to look at: whatever succeeded before that has been applied.
func (n *Node) Unchanged(m Mark, on []Cell) bool {
	if uint64(m) < n.floor.Load() {
		return false
	}
	for _, c := range on {
		if n.cells[c].Load() > uint64(m) {
			return false
		}
	}
	return true
}

// Held reports whether the node may trust what it remembers: it holds a lease,
// which is not over by a clock that makes sense.
func (n *Node) Held() bool {
	l := n.lease.Load()
	return l != nil && l.covers(n.cfg.Boot(), n.cfg.Now())
}

// apply makes every answer that hangs on what changed be read again.
func (n *Node) apply(changes []storage.Change) {
	for _, c := range changes {
		cell := n.Cell(c.Kind, c.Tenant, c.ID)
		// The number is taken first: whoever notes it reads the database after the
		// change was there to be read.
		n.cells[cell].Store(n.changes.Add(1))
	}
	n.metrics.changes.Add(float64(len(changes)))
}

// forget makes every answer that was read before now be read again.
func (n *Node) forget() { n.floor.Store(n.changes.Add(1)) }
