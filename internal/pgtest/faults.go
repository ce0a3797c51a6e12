package pgtest

import (
	"maps"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Direction is which way bytes go through a [FaultProxy].
type Direction int

// The two directions.
const (
	ToServer Direction = iota
	ToClient
)

// Any stands for the connections of every kind.
const Any = ""

// FaultProxy is a TCP proxy in front of a database whose connections can be
// delayed, stalled and cut, each kind by itself. A connection's kind is the
// application_name of its startup message (protocol 54.2.1).
//
// A fault holds for the connections that are open and for those to come, until
// [FaultProxy.Restore]. What was stalled arrives then, in order, as it does when a
// network comes back: to lose it, cut the connections first.
type FaultProxy struct {
	dsn      url.URL
	target   string
	listener net.Listener
	done     sync.WaitGroup
	ended    chan struct{}

	mu      sync.Mutex
	faults  map[way]fault
	changed chan struct{} // closed when faults are others
	links   map[*link]struct{}
}

// way is one direction of the connections of a kind.
type way struct {
	kind string
	to   Direction
}

// fault is what happens to bytes on a way.
type fault struct {
	delay time.Duration
	stall bool
}

// NewFaultProxy listens on a free loopback port and forwards to the server that
// dsn, a DSN of the URL form over TCP without TLS, points at. It closes at the
// test's end.
func NewFaultProxy(t testing.TB, dsn string) *FaultProxy {
	t.Helper()
	address, err := url.Parse(dsn)
	if err != nil || address.Host == "" {
		t.Fatal("pgtest: a proxy needs a DSN of the form postgres://user@host:port/database")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &FaultProxy{
		dsn: *address, target: address.Host, listener: listener, ended: make(chan struct{}),
		faults: map[way]fault{}, changed: make(chan struct{}), links: map[*link]struct{}{},
	}
	p.dsn.Host = listener.Addr().String()
	p.done.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// DSN returns the proxied database's address through the proxy.
func (p *FaultProxy) DSN() string { return p.dsn.String() }

// Delay makes what goes in that direction on connections of the kind arrive
// later. Bytes that are under way are delayed too.
func (p *FaultProxy) Delay(kind string, to Direction, by time.Duration) {
	p.set(way{kind, to}, fault{delay: by})
}

// Stall lets nothing through in that direction on connections of the kind, the end
// of a connection included: the other side believes that it is open.
func (p *FaultProxy) Stall(kind string, to Direction) { p.set(way{kind, to}, fault{stall: true}) }

// Partition stalls both directions of the kind.
func (p *FaultProxy) Partition(kind string) {
	p.Stall(kind, ToServer)
	p.Stall(kind, ToClient)
}

// Restore ends every delay and every stall.
func (p *FaultProxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.faults)
	p.announce()
}

// Cut resets the connections of the kind that are open now.
func (p *FaultProxy) Cut(kind string) {
	p.mu.Lock()
	links := maps.Clone(p.links)
	p.mu.Unlock()
	for l := range links {
		if kind == Any || l.kind == kind {
			l.reset()
		}
	}
}

// Waiting is how many bytes have arrived here in that direction on connections of
// the kind, and were not passed on yet.
func (p *FaultProxy) Waiting(kind string, to Direction) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for l := range p.links {
		if kind == Any || l.kind == kind {
			n += int(l.pipes[to].waiting.Load())
		}
	}
	return n
}

// Open is how many connections of the kind there are.
func (p *FaultProxy) Open(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for l := range p.links {
		if kind == Any || l.kind == kind {
			n++
		}
	}
	return n
}

func (p *FaultProxy) set(w way, f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[w] = f
	p.announce()
}

func (p *FaultProxy) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// fault returns what holds on a way now, and what says that this has changed. A
// fault of every kind and one of this kind add up.
func (p *FaultProxy) fault(w way) (fault, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own, every := p.faults[w], p.faults[way{Any, w.to}]
	return fault{delay: own.delay + every.delay, stall: own.stall || every.stall}, p.changed
}

// pass waits until bytes that came at a moment may go on; false: never.
func (p *FaultProxy) pass(w way, came time.Time, l *link) bool {
	for {
		f, changed := p.fault(w)
		left := f.delay - time.Since(came)
		if !f.stall && left <= 0 {
			return true
		}
		if f.stall {
			left = time.Hour
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-changed:
		case <-l.ended:
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}
