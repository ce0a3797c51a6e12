package sqlstore

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSnapshotIncludesWhatTheServerSaysItDoes(t *testing.T) {
	conn := connect(t, postgresDatabase(t))
	for _, text := range []string{"10:10:", "10:20:", "10:20:10", "10:20:10,12,19", "7:8:7", "4294967300:4294967400:4294967300,4294967399"} {
		s, err := parseSnapshot(text)
		must(t, err)
		for _, xid := range []uint64{3, 7, 8, 9, 10, 11, 12, 13, 18, 19, 20, 21, 4294967299, 4294967300, 4294967301, 4294967399, 4294967400, 1 << 62} {
			var want bool
			must(t, conn.QueryRow(t.Context(), "SELECT pg_visible_in_snapshot($1::bigint::text::xid8, $2::text::pg_snapshot)", int64(xid), text).Scan(&want))
			if got := s.includes(xid); got != want {
				t.Errorf("%s includes %d: %v, the server says %v", text, xid, got, want)
			}
		}
	}
	for _, text := range []string{"", "1", "1:2", "1:2:3:4", "x:2:", "1:-2:", "1:2:x", "1:2:1,"} {
		if _, err := parseSnapshot(text); err == nil {
			t.Errorf("%q is taken for a snapshot", text)
		}
	}
}

// asked are waiters whose register a test holds in its hands.
type asked struct {
	*waiters
	n    atomic.Int64 // how often the register was read
	full atomic.Int64 // how many waited for a full lease
}

func newAsked(answer func(n int64) ([]snapshot, error)) *asked {
	a := &asked{}
	a.waiters = newWaiters(func(context.Context) ([]snapshot, error) { return answer(a.n.Add(1)) },
		func(_ time.Duration, all bool) {
			if !all {
				a.full.Add(1)
			}
		})
	return a
}

func upTo(xmax uint64) snapshot { return snapshot{xmin: xmax, xmax: xmax} }

// TestAWaitLastsUntilEverybodyKnows, in the time of a bubble.
func TestAWaitLastsUntilEverybodyKnows(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(n int64) ([]snapshot, error)
		took   time.Duration
		asked  int64 // 0: nobody counts
	}{
		"nobody is there":          {func(int64) ([]snapshot, error) { return nil, nil }, 0, 1},
		"all know already":         {func(int64) ([]snapshot, error) { return []snapshot{upTo(8), upTo(9)}, nil }, 0, 1},
		"the last learns it later": {func(n int64) ([]snapshot, error) { return []snapshot{upTo(8), upTo(4 + uint64(n))}, nil }, 6 * time.Millisecond, 4},
		"one does not learn it":    {func(int64) ([]snapshot, error) { return []snapshot{upTo(8), upTo(7)}, nil }, fullWait, 0},
		"its transaction was still under way": {func(int64) ([]snapshot, error) {
			return []snapshot{{xmin: 7, xmax: 9, running: []uint64{7}}}, nil
		}, fullWait, 0},
		"nobody can be asked":     {func(int64) ([]snapshot, error) { return nil, errors.New("away") }, fullWait, 0},
		"asking works in the end": {func(n int64) ([]snapshot, error) { return nil, map[bool]error{true: errors.New("away")}[n < 3] }, 4 * time.Millisecond, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, began := newAsked(c.answer), time.Now()
				a.await(7)
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				if n := a.n.Load(); c.asked > 0 && n != c.asked {
					t.Errorf("asked %d times, want %d", n, c.asked)
				}
				if full := a.full.Load() > 0; full != (c.took == fullWait) {
					t.Errorf("said to have waited for a full lease: %v", full)
				}
				synctest.Wait()
				if a.asking {
					t.Error("somebody still asks")
				}
			})
		})
	}
}

// TestAnAnswerIsOldForWhoCameAfterTheQuestion: what was read before a change was
// committed says nothing about who has to know it.
func TestAnAnswerIsOldForWhoCameAfterTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		question, answer := make(chan struct{}), make(chan []snapshot)
		a := newAsked(func(int64) ([]snapshot, error) {
			question <- struct{}{}
			return <-answer, nil
		})
		first, second := make(chan struct{}), make(chan struct{})
		go func() { a.await(7); close(first) }()
		<-question
		go func() { a.await(7); close(second) }()
		synctest.Wait()
		answer <- nil
		<-first
		<-question
		select {
		case <-second:
			t.Error("an answer from before the commit was enough")
		default:
		}
		answer <- nil
		<-second
	})
}

// TestWhoComesLateIsAskedForAtOnce, although another is waited for at leisure.
func TestWhoComesLateIsAskedForAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsked(func(int64) ([]snapshot, error) { return []snapshot{upTo(9)}, nil })
		var stuck = make(chan struct{})
		go func() { a.await(9); close(stuck) }()
		<-time.After(time.Second + askSlowly/4)
		began := time.Now()
		a.await(7)
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		<-stuck
	})
}
