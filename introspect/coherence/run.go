package coherence

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// How long a node waits before it joins again.
const (
	pauseFirst = 20 * time.Millisecond
	pauseMost  = time.Second
)

// leaveTimeout bounds saying goodbye.
const leaveTimeout = time.Second

// Run keeps a lease until ctx is done, and then takes the node out of the
// register. While it holds none, because the store is away or says that the node
// was struck, it tries again; what was remembered before is never trusted again.
func (n *Node) Run(ctx context.Context) error {
	if n.cfg.Feed == nil {
		return nil
	}
	pause := pauseFirst
	for {
		joined, err := n.belong(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if joined {
			n.cfg.Log.WarnContext(ctx, "lease lost: every introspection asks the database until there is a new one", "cause", err)
			pause = pauseFirst
		}
		timer := time.NewTimer(pause + rand.N(pause))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		pause = min(2*pause, pauseMost)
	}
}

// belong joins and renews until that fails or ctx is done.
func (n *Node) belong(ctx context.Context) (joined bool, err error) {
	began, wall := n.cfg.Boot(), n.cfg.Now()
	m, err := n.cfg.Feed.Join(ctx)
	if err != nil {
		n.metrics.failed.Inc()
		return false, err
	}
	defer n.leave(ctx, m)
	n.extend(leaseFrom(began, wall))
	n.cfg.Log.InfoContext(ctx, "lease held: introspections are answered from memory")
	for {
		if err := n.await(ctx, m); err != nil {
			return true, err
		}
		if err := n.renew(ctx, m); err != nil {
			return true, err
		}
	}
}

// await returns when something changed, or when it is time to renew.
func (n *Node) await(ctx context.Context, m storage.Membership) error {
	wait, cancel := context.WithTimeout(ctx, storage.RenewEvery)
	defer cancel()
	if err := m.Wait(wait); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ctx.Err()
}

// renew is the order that everything rests on: the clock, the changes, what they
// mean here, the word to everybody, and only then the lease.
func (n *Node) renew(ctx context.Context, m storage.Membership) error {
	ctx, cancel := context.WithTimeout(ctx, storage.LeaseFor)
	defer cancel()
	began, wall := n.cfg.Boot(), n.cfg.Now()
	changes, mark, err := m.Read(ctx)
	if err != nil {
		return err
	}
	n.apply(changes)
	if err := m.Record(ctx, mark); err != nil {
		return err
	}
	n.extend(leaseFrom(began, wall))
	return nil
}

// extend replaces the lease. A lease that does not follow on another starts with
// nothing: for what was read before it, nobody waited.
func (n *Node) extend(l *lease) {
	if !n.Held() {
		n.forget()
	}
	n.lease.Store(l)
	n.read.Store(int64(l.began))
	n.metrics.renewed.Inc()
}

// leave gives the lease up before anybody may rely on it, and then the place in
// the register.
func (n *Node) leave(ctx context.Context, m storage.Membership) {
	n.lease.Store(nil)
	n.metrics.lost.Inc()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	// Who cannot be told will strike this node by itself.
	_ = m.Leave(ctx)
}
