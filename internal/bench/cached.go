package main

import (
	"context"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/internal/process"
)

// Sizes of the section about memory.
const (
	cachedTokens    = 100_000
	bigCachedTokens = 1_000_000
	// churn is as many requests about garbage as make the collector run a few times.
	churn = 20_000
)

// room is the cache's size for each token, in bytes: a little more than is wanted,
// so that all fit, and no more, so that its tables are as full as they get.
const room = 660

// measureCached reads what a token costs a node that remembers it, the cache's
// tables included: every one is of another person, session and grant.
func measureCached(ctx context.Context, b *bench) error {
	n := cachedTokens
	if big() {
		n = bigCachedTokens
	}
	tokens, err := b.site.settle(ctx, settlement{tokens: n, people: n, keep: 1})
	if err != nil {
		return err
	}
	requests := b.site.questions(tokens)
	idle, err := b.weigh(ctx, 1, requests[:1])
	if err != nil {
		return err
	}
	full, err := b.weigh(ctx, n*room>>20, requests)
	if err != nil {
		return err
	}
	answer, err := answerTo(b.site.node, requests[0])
	if err != nil {
		return err
	}
	per := func(of func(weight) float64) float64 { return (of(full) - of(idle)) / (full.entries - idle.entries) }
	encoded, against := float64(len(answer)), "its encoded answer alone"
	name := fmt.Sprintf("memory of each of %.0f cached tokens", full.entries)
	b.figures.add(name, per(func(w weight) float64 { return w.heap }), "bytes", encoded, against, "<= 640 bytes")
	b.figures.add(name+", by the cache's own count", per(func(w weight) float64 { return w.counted }), "bytes", encoded, against, "")
	b.figures.add(name+", resident, before the next collection", per(func(w weight) float64 { return w.resident }), "bytes", encoded, against, "")
	return nil
}

// weight is what a node and its cache take, in bytes.
type weight struct {
	entries  float64 // of the cache
	heap     float64 // live at the last collection
	counted  float64 // by the cache
	resident float64
}

// weigh starts a node with a cache of so many MiB, asks it everything once, and reads
// its memory after its collector has run.
func (b *bench) weigh(ctx context.Context, mib int, requests [][]byte) (w weight, err error) {
	n, err := b.site.join(ctx, "memory", fmt.Sprintf("introspection: {cache_mib: %d}", mib))
	if err != nil {
		return w, err
	}
	defer n.Stop()
	if _, err := newSide(ctx, n.URL, n.PID(), requests); err != nil {
		return w, err
	}
	if err := b.collect(ctx, n); err != nil {
		return w, err
	}
	return weigh(ctx, n)
}

// weigh reads what a node takes.
func weigh(ctx context.Context, n *process.Node) (w weight, err error) {
	var goal, percent float64
	for name, to := range map[string]*float64{
		"go_memstats_next_gc_bytes": &goal, gogcMetric: &percent, "process_resident_memory_bytes": &w.resident,
		"watchgate_introspection_cache_bytes": &w.counted, "watchgate_introspection_cache_entries": &w.entries,
	} {
		if *to, err = metric(ctx, n.OperatorURL, name); err != nil {
			return w, err
		}
	}
	// The collector's next goal is the live heap and a share of it (GOGC), and the
	// same share of what is no heap, which does not grow here.
	w.heap = goal / (1 + percent/100)
	return w, nil
}

// collect makes garbage until the node's collector has run twice: what died before
// the first of the two is gone by then.
func (b *bench) collect(ctx context.Context, n *process.Node) error {
	d, err := newDriver(n.URL, coldConnections, [][]byte{b.site.question("wgat_garbage")}, `{"active":false`)
	if err != nil {
		return err
	}
	const runs = "go_gc_duration_seconds_count"
	first, err := metric(ctx, n.OperatorURL, runs)
	for now := first; err == nil && now < first+2; {
		if _, err = d.run(ctx, time.Minute, churn); err == nil {
			now, err = metric(ctx, n.OperatorURL, runs)
		}
	}
	return err
}
