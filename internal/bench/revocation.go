package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// How often a token is revoked, with all nodes well and with one of them unreachable.
const (
	revocations = 300
	pauses      = 5
)

// measureRevocation times revocations, and looks for a node that goes on saying
// yes: one node alone, three nodes, and three of which one stands still.
func measureRevocation(ctx context.Context, b *bench) error {
	tokens, err := b.site.settle(ctx, settlement{tokens: 1000, people: 1000, keep: 1})
	if err != nil {
		return err
	}
	alone, err := b.site.cluster(b.site.node)
	if err != nil {
		return err
	}
	defer alone.close()
	base, err := alone.revokeMany(tokens[:revocations])
	if err != nil {
		return err
	}
	second, err := b.site.join(ctx, "second", "")
	if err != nil {
		return err
	}
	defer second.Stop()
	third, err := b.site.join(ctx, "third", "")
	if err != nil {
		return err
	}
	defer third.Stop()
	c, err := b.site.cluster(b.site.node, second, third)
	if err != nil {
		return err
	}
	defer c.close()
	if err := b.measureThree(c, base, tokens[revocations:2*revocations]); err != nil {
		return err
	}
	return b.measurePaused(ctx, c, tokens[2*revocations:])
}

// revoked is what a row of revocations came to.
type revoked struct {
	took         []time.Duration
	stale, asked int // answers of other nodes right after
}

func (r *revoked) millis(q float64) float64 {
	return float64(quantile(r.took, q)) / float64(time.Millisecond)
}

// revokeMany revokes tokens, each warm at every node, in turns at each node, and asks
// the others as soon as the call returns.
func (c *cluster) revokeMany(tokens []string) (*revoked, error) {
	var r revoked
	for i, t := range tokens {
		at := i % len(c.nodes)
		if err := c.warm(t); err != nil {
			return nil, err
		}
		took, err := c.revoke(at, t)
		if err != nil {
			return nil, err
		}
		wrong, err := c.stale(t, c.but(at)...)
		if err != nil {
			return nil, err
		}
		r.took, r.stale, r.asked = append(r.took, took), r.stale+wrong, r.asked+len(c.nodes)-1
	}
	return &r, nil
}

// but are all nodes except one.
func (c *cluster) but(node int) []int {
	var others []int
	for i := range c.nodes {
		if i != node {
			others = append(others, i)
		}
	}
	return others
}

func (b *bench) measureThree(c *cluster, base *revoked, tokens []string) error {
	r, err := c.revokeMany(tokens)
	if err != nil {
		return err
	}
	const one = "one node"
	b.figures.add("revocation, 3 nodes: p50", r.millis(0.50), "ms", base.millis(0.50), one, "")
	b.figures.add("revocation, 3 nodes: p99", r.millis(0.99), "ms", base.millis(0.99), one, "< 25 ms")
	b.figures.add("revocation, 3 nodes: stale answers afterwards", float64(r.stale), "", float64(r.asked), "answers asked for", "0")
	return nil
}

// measurePaused revokes while one of three nodes stands still, which is to its
// peers as if nobody could reach it.
func (b *bench) measurePaused(ctx context.Context, c *cluster, tokens []string) error {
	var took []time.Duration
	var reachable, resumed int
	for _, t := range tokens[:pauses] {
		p, err := c.pause(ctx, t)
		if err != nil {
			return err
		}
		took, reachable, resumed = append(took, p.took), reachable+p.stale, resumed+p.resumed
	}
	limit := (storage.LeaseFor + 500*time.Millisecond).Milliseconds()
	b.figures.add("revocation, 1 of 3 nodes unreachable: longest", float64(slices.Max(took).Milliseconds()), "ms",
		float64(storage.LeaseFor.Milliseconds()), "the lease", fmt.Sprintf("<= %d ms", limit))
	b.figures.add("revocation, 1 of 3 nodes unreachable: stale answers of the reachable", float64(reachable), "", 2*pauses, "answers asked for", "0")
	b.figures.add("revocation, 1 of 3 nodes unreachable: stale answers of the one, resumed", float64(resumed), "", pauses, "answers asked for", "0")
	return nil
}

// paused is what one revocation came to.
type paused struct {
	took           time.Duration
	stale, resumed int
}

// pause stops the last node, revokes a token that every node remembers, and asks the
// reachable nodes. Then it asks the stopped one, which finds the question when it goes
// on.
func (c *cluster) pause(ctx context.Context, token string) (p paused, err error) {
	last := len(c.nodes) - 1
	if err := heldLease(ctx, c.nodes[last]); err != nil {
		return p, err
	}
	if err := c.warm(token); err != nil {
		return p, err
	}
	if err := c.nodes[last].Pause(); err != nil {
		return p, err
	}
	if err := errors.Join(p.revoke(c, token, last), c.nodes[last].Resume()); err != nil {
		return p, err
	}
	wrong, err := good(c.wires[last].read())
	if wrong {
		p.resumed = 1
	}
	return p, err
}

// revoke is what happens while a node is stopped.
func (p *paused) revoke(c *cluster, token string, stopped int) (err error) {
	if p.took, err = c.revoke(0, token); err != nil {
		return err
	}
	if p.stale, err = c.stale(token, c.but(stopped)...); err != nil {
		return err
	}
	_, err = c.wires[stopped].conn.Write(c.site.question(token))
	return err
}
