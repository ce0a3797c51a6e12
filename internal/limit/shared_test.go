package limit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/redistest"
)

// node is a limiter that counts in a Redis, as a node of a deployment does.
type node struct {
	*limit.Limiter
	clock *clock
	log   buffer
	reg   *prometheus.Registry
}

// buffer is a log that many write to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// has is how many lines have a word.
func (b *buffer) has(word string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.b.String(), word)
}

func newNode(t *testing.T, s *redistest.Server) *node {
	t.Helper()
	client, err := limit.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	n := &node{clock: newClock(), reg: prometheus.NewRegistry()}
	n.Limiter = limit.New(limit.Config{Now: n.clock.now, Redis: client, Log: slog.New(slog.NewTextHandler(&n.log, nil)), Registerer: n.reg})
	return n
}

// value reads a metric.
func (n *node) value(t *testing.T, name string) float64 {
	t.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.Metric[0].GetGauge().GetValue() + f.Metric[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// hourly is so slow that Redis, whose clock is the machine's, gives nothing back
// during a test.
var hourly = limit.Rate{Requests: 10, Per: 10 * time.Hour, Burst: 10}

func TestNodesShareAQuota(t *testing.T) {
	s := redistest.Start(t)
	a, b := newNode(t, s), newNode(t, s)
	if n := through(a.Limiter, "k", hourly, 4); n != 4 {
		t.Errorf("the first node lets %d through", n)
	}
	left := b.Take(t.Context(), "k", hourly)
	if left.Remaining != 5 || left.Over {
		t.Errorf("the second node sees %+v", left)
	}
	if n := through(b.Limiter, "k", hourly, 9); n != 5 {
		t.Errorf("the second node lets %d more through", n)
	}
	last := a.Take(t.Context(), "k", hourly)
	if !last.Over || last.RetryAfter <= 0 || last.Remaining != 0 {
		t.Errorf("afterwards the first says %+v", last)
	}
	if n := through(a.Limiter, "other", hourly, 12); n != 10 {
		t.Errorf("another key has %d", n)
	}
	if a.value(t, "watchgate_key_limit_shared") != 1 || a.value(t, "watchgate_key_limit_refused_total") != 3 || a.value(t, "watchgate_key_limit_local_total") != 0 {
		t.Error("metrics of nodes that share")
	}
}

// Somebody who asks two nodes at once, from many connections, gets one quota.
func TestAttackCrowdAtTwoNodes(t *testing.T) {
	s := redistest.Start(t)
	nodes := []*node{newNode(t, s), newNode(t, s)}
	n := crowd(8, 10, func(i int) *limit.Limiter { return nodes[i%2].Limiter }, hourly)
	alone := nodes[0].value(t, "watchgate_key_limit_local_total") + nodes[1].value(t, "watchgate_key_limit_local_total")
	if n < 10 || float64(n) > 10+alone {
		t.Errorf("%d of 80 let through, %v of them by one node alone; want 10", n, alone)
	}
}

func TestCountersSurviveARestartOfANode(t *testing.T) {
	s := redistest.Start(t)
	through(newNode(t, s).Limiter, "k", hourly, 7)
	if n := through(newNode(t, s).Limiter, "k", hourly, 9); n != 3 {
		t.Errorf("%d after the restart, want 3", n)
	}
}

// What is kept in Redis says when it is over, and nothing about whose it is.
func TestNumbersInRedisEnd(t *testing.T) {
	s := redistest.Start(t)
	n := newNode(t, s)
	n.Take(t.Context(), "key_1", hourly)
	client := redis.NewClient(&redis.Options{Addr: s.Addr})
	defer client.Close()
	names, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(names) != 1 || names[0] != "watchgate:limit:10/10h0m0s/10:key_1" {
		t.Fatalf("%v %v", names, err)
	}
	ttl, err := client.TTL(t.Context(), names[0]).Result()
	if err != nil || ttl <= 0 || ttl > time.Hour+time.Second {
		t.Errorf("it ends in %v: %v", ttl, err)
	}
}

// Attack 114, RL-09: Redis dies in the middle. The node goes on at once with its own
// numbers, which know what it let through; nobody gets a fresh quota, nobody is
// refused for it, and the nodes count together again when it is back.
func TestAttackRedisDies(t *testing.T) {
	for name, fault := range map[string]struct{ end, back func(*redistest.Server) }{
		"killed":  {(*redistest.Server).Kill, (*redistest.Server).Restart},
		"hanging": {(*redistest.Server).Pause, (*redistest.Server).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			s := redistest.Start(t)
			a, b := newNode(t, s), newNode(t, s)
			through(a.Limiter, "k", hourly, 4)
			fault.end(s)
			if n := through(a.Limiter, "k", hourly, 20); n != 6 {
				t.Errorf("without Redis %d more are let through, want 6", n)
			}
			if n := through(a.Limiter, "fresh", hourly, 20); n != 10 {
				t.Errorf("another key is let through %d times, want 10", n)
			}
			if a.value(t, "watchgate_key_limit_shared") != 0 || a.log.has("Redis is lost") != 1 {
				t.Errorf("the operator is told: %s", &a.log.b)
			}
			fault.back(s)
			a.clock.move(limit.Pause)
			a.together(t)
			b.Take(t.Context(), "new", hourly) // it may have connections of a dead server
			b.clock.move(limit.Pause)
			b.together(t)
			through(a.Limiter, "again", hourly, 6)
			if n := through(b.Limiter, "again", hourly, 20); n != 4 {
				t.Errorf("back again, the second node lets %d through, want 4", n)
			}
			if a.log.has("Redis is back") != 1 || a.log.has("Redis is lost") != 1 || a.value(t, "watchgate_key_limit_shared") != 1 {
				t.Errorf("the operator is told: %s", &a.log.b)
			}
		})
	}
}

// together takes until Redis counts: a server that was just started may need
// longer than a call waits.
func (n *node) together(t *testing.T) {
	t.Helper()
	for range 100 {
		n.Take(t.Context(), "probe", limit.Rate{Requests: 1000, Per: time.Second})
		if n.value(t, "watchgate_key_limit_shared") == 1 {
			return
		}
		n.clock.move(limit.Pause)
	}
	t.Fatal("the nodes do not count together again")
}

// A Redis that is lost is left alone but for one call in each pause.
func TestLostRedisIsAskedRarely(t *testing.T) {
	n, dead := counting(t)
	through(n.Limiter, "k", hourly, 100)
	if got := dead.asked(); got != 1 {
		t.Errorf("asked %d times at once", got)
	}
	n.clock.move(limit.Pause - 1)
	through(n.Limiter, "other", hourly, 5)
	if got := dead.asked(); got != 1 {
		t.Errorf("asked %d times before the pause is over", got)
	}
	for range 3 {
		n.clock.move(limit.Pause)
		crowd(8, 1, func(int) *limit.Limiter { return n.Limiter }, plenty)
	}
	if got := dead.asked(); got != 4 {
		t.Errorf("asked %d times after three pauses, want 4", got)
	}
	n.clock.move(-time.Hour)
	through(n.Limiter, "later", hourly, 5)
	if got := dead.asked(); got != 5 {
		t.Errorf("asked %d times after the clock was set back, want 5", got)
	}
	if n.log.has("Redis is lost") != 1 {
		t.Errorf("log: %s", &n.log.b)
	}
}

// hook counts what is sent to a Redis that is not there.
type hook struct {
	redis.Hook
	mu sync.Mutex
	n  int
}

func (h *hook) asked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

func (h *hook) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.mu.Lock()
		h.n++
		h.mu.Unlock()
		return next(ctx, cmds)
	}
}

func counting(t *testing.T) (*node, *hook) {
	t.Helper()
	client, err := limit.Connect("redis://127.0.0.1:1/0") // nobody listens there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	h := &hook{}
	client.AddHook(h)
	n := &node{clock: newClock(), reg: prometheus.NewRegistry()}
	n.Limiter = limit.New(limit.Config{Now: n.clock.now, Redis: client, Log: slog.New(slog.NewTextHandler(&n.log, nil)), Registerer: n.reg})
	return n, h
}

// Attack: somebody floods with a key that is over its rate. Redis is not asked.
func TestAttackFloodDoesNotReachRedis(t *testing.T) {
	s := redistest.Start(t)
	client, err := limit.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	h := &hook{}
	client.AddHook(h)
	l := limit.New(limit.Config{Now: newClock().now, Redis: client})
	if n := through(l, "k", hourly, 1000); n != 10 || h.asked() != 10 {
		t.Errorf("%d let through, Redis asked %d times", n, h.asked())
	}
}

// Nor does one with a key that was used up at another node.
func TestAttackFloodAtTheOtherNodeDoesNotReachRedis(t *testing.T) {
	s := redistest.Start(t)
	through(newNode(t, s).Limiter, "k", hourly, 10)
	client, err := limit.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	h, c := &hook{}, newClock()
	client.AddHook(h)
	l := limit.New(limit.Config{Now: c.now, Redis: client})
	for round := range 3 {
		if n := through(l, "k", hourly, 1000); n != 0 || h.asked() != round+1 {
			t.Errorf("round %d: %d let through, Redis asked %d times", round, n, h.asked())
		}
		c.move(time.Hour) // Redis's own clock stands still beside this
	}
}

// A caller that goes away says nothing about Redis.
func TestCallerWhoGoesAwayDoesNotCountAsALoss(t *testing.T) {
	n := newNode(t, redistest.Start(t))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 20 {
		if left := n.Take(gone, "k"+fmt.Sprint(i), hourly); left.Over || left.Remaining != 9 {
			t.Errorf("%+v", left)
		}
	}
	if n.value(t, "watchgate_key_limit_shared") != 1 || n.value(t, "watchgate_key_limit_local_total") != 0 {
		t.Error("Redis counts as lost")
	}
}

// A password in a URL that is wrong is not in the error.
func TestURLsWithMistakesAreNotRepeated(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:6379", "http://u:hunter2@h", "redis://u:hunter2@h:port/0", "redis://u:hunter2@h/x", "redis://u:hunter2@h/0?nonsense=1", "redis://u:hunter2%zz@h"} {
		if _, err := limit.Connect(url); !errors.Is(err, limit.ErrURL) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", url, err)
		}
	}
}
