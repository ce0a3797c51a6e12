package main

import (
	"context"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/storage/sqlstore"
)

const (
	// sweepSpan is how long introspections run beside a sweep: as long as it may take.
	sweepSpan = time.Second
	// sweepConnections leave a processor to the sweep: on a machine without a free one
	// everything slows everything, whatever waits for whom.
	sweepConnections = 1
)

// sweeps is how many hours are swept, one after the other.
func sweeps() int {
	if big() {
		return 1
	}
	return 3
}

// measureSweep removes hours of expired tokens while the database is asked about
// live ones, and compares each such second with the one before and the one after.
func (b *bench) measureSweep(ctx context.Context, many *town) error {
	for range sweeps() {
		if _, err := many.settle(ctx, settlement{tokens: many.count, people: many.count / perPerson, expired: true}); err != nil {
			return err
		}
	}
	plain, err := many.removePlain(ctx, b.dir)
	if err != nil {
		return err
	}
	r, err := many.sweepAll(ctx)
	if err != nil {
		return err
	}
	b.figures.add(fmt.Sprintf("clean-up of an hour of %d expired tokens", many.count), r.millis(), "ms", plain.Seconds()*1000,
		"removing files of the same size", "< 1000 ms")
	name := "cold introspections of one caller during that clean-up"
	b.figures.compare(name, "1/s", &r.during, &r.quiet, lap.rate, "the seconds before and after", "ratio >= 0.90")
	b.figures.compare(name+": p50", "us", &r.during, &r.quiet, func(l lap) float64 { return l.micros(0.50) }, "the seconds before and after", "ratio <= 1.10")
	b.figures.compare(name+": p99", "us", &r.during, &r.quiet, func(l lap) float64 { return l.micros(0.99) }, "the seconds before and after", "")
	return nil
}

// swept is what some sweeps came to.
type swept struct {
	took          []time.Duration
	during, quiet side // a lap for each sweep
}

func (s *swept) millis() float64 { return float64(median(s.took)) / float64(time.Millisecond) }

// sweepAll removes the hours one after the other, through the store as a node does.
func (t *town) sweepAll(ctx context.Context) (*swept, error) {
	store, err := sqlstore.Open(ctx, sqlstore.Config{DSN: t.database, MaxConns: 2})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	t.cold.connections = sweepConnections
	r := &swept{}
	before, err := t.cold.run(ctx, sweepSpan, 0)
	if err != nil {
		return nil, err
	}
	for i := range sweeps() {
		// The hour after the oldest that is left: no more than that one goes.
		took, during, err := t.sweep(ctx, store, time.Unix((t.oldest()+1+int64(i))*3600, 0))
		if err != nil {
			return nil, err
		}
		after, err := t.cold.run(ctx, sweepSpan, 0)
		if err != nil {
			return nil, err
		}
		r.took = append(r.took, took)
		r.during.laps = append(r.during.laps, during)
		r.quiet.laps = append(r.quiet.laps, before.and(after))
		before = after
	}
	return r, nil
}

// oldest is the bucket of the first hour that was settled last: each lies before
// the one that was settled earlier.
func (t *town) oldest() int64 { return t.began - far - t.hours }

// sweep removes what is over at now, while introspections run.
func (t *town) sweep(ctx context.Context, store *sqlstore.Store, now time.Time) (time.Duration, lap, error) {
	type outcome struct {
		took time.Duration
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		began := time.Now()
		s, err := store.Sweep(ctx, now)
		if err == nil && s.Partitions != 1 {
			err = fmt.Errorf("%d partitions were dropped instead of one", s.Partitions)
		}
		done <- outcome{time.Since(began), err}
	}()
	l, err := t.cold.run(ctx, sweepSpan, 0)
	o := <-done
	if err == nil {
		err = o.err
	}
	return o.took, l, err
}
