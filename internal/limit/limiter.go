package limit

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/throttled/throttled/v2"
)

// Config is what a Limiter needs; each part may be left out.
type Config struct {
	Now func() time.Time // nil: time.Now
	// Redis is where the nodes count together; nil: each counts for itself. Make it
	// with [Connect], or else with timeouts of [Timeout], ContextTimeoutEnabled and
	// without retries: others keep calls waiting when Redis is away.
	Redis redis.UniversalClient
	Log   *slog.Logger // that Redis is lost, and back; nil: nowhere
	// Registerer gets the metrics; nil: none are kept.
	Registerer prometheus.Registerer
	// Entries bounds how many keys of one rate are in memory, of about 100 bytes each.
	// Where more are in use at the same time, some start with a fresh quota. 0:
	// DefaultEntries.
	Entries int
}

// DefaultEntries is for how many keys of one rate there is room unless told
// otherwise.
const DefaultEntries = 1 << 17

// Limiter counts. It is safe for use by many goroutines; a nil one limits nothing.
type Limiter struct {
	cfg     Config
	breaker *breaker
	metrics metrics

	mu    sync.Mutex // for adding a tier
	tiers atomic.Pointer[map[Rate]*tier]
}

// tier is one rate. Rates come from a deployment's configuration, so there are few.
type tier struct {
	local  *throttled.GCRARateLimiterCtx
	shared *shared // nil without Redis
	// waiting is until when a key is over the rate, as Redis last said.
	waiting *Cells
}

// New returns a Limiter. It asks nobody.
func New(cfg Config) *Limiter {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Entries <= 0 {
		cfg.Entries = DefaultEntries
	}
	l := &Limiter{cfg: cfg, breaker: &breaker{now: cfg.Now, log: cfg.Log}}
	l.metrics = newMetrics(cfg, l.breaker)
	l.tiers.Store(&map[Rate]*tier{})
	return l
}

// Take counts one request of a key at a rate, unless it is one too many. It never
// fails and, with Redis, waits for it for [Timeout] at most, whatever ctx says; in
// memory, it allocates nothing. Counts of the same key at two rates are two.
func (l *Limiter) Take(ctx context.Context, key string, r Rate) Left {
	if l == nil || r == (Rate{}) {
		return Left{}
	}
	left := l.take(ctx, key, l.tier(r))
	if left.Over {
		l.metrics.refused.Inc()
	}
	return left
}

func (l *Limiter) take(ctx context.Context, key string, t *tier) Left {
	if t.shared == nil {
		return ask(ctx, t.local, key, 1)
	}
	if left := t.waits(key); left.Over {
		return left
	}
	if left := ask(ctx, t.local, key, 0); left.Over {
		return left
	}
	left, ok := l.together(ctx, key, t.shared)
	if !ok {
		l.metrics.alone.Inc()
		return ask(ctx, t.local, key, 1)
	}
	if left.Over {
		t.wait(key, left.RetryAfter)
	} else {
		ask(ctx, t.local, key, 1)
	}
	return left
}

// waits reports what Redis said of a key that is over the rate, while that holds.
func (t *tier) waits(key string) Left {
	until, now, _ := t.waiting.GetWithTime(context.Background(), key) // it has no errors
	wait := time.Duration(until - now.UnixNano())
	if until < 0 || wait <= 0 {
		return Left{}
	}
	return Left{Over: true, RetryAfter: wait, ResetAfter: wait}
}

// wait remembers for how long a key is over the rate. Whoever comes second has read
// the same.
func (t *tier) wait(key string, d time.Duration) {
	ctx := context.Background()
	was, now, _ := t.waiting.GetWithTime(ctx, key)
	if was < 0 {
		_, _ = t.waiting.SetIfNotExistsWithTTL(ctx, key, now.Add(d).UnixNano(), d)
		return
	}
	_, _ = t.waiting.CompareAndSwapWithTTL(ctx, key, was, now.Add(d).UnixNano(), d)
}

// maxAttempts is how often one tries on who meets others at the same number.
const maxAttempts = 1000

// ask asks a limiter in memory, and takes n.
func ask(ctx context.Context, g *throttled.GCRARateLimiterCtx, key string, n int) Left {
	over, r, err := g.RateLimitCtx(ctx, key, n)
	if err != nil {
		// So many are let through or refused in this moment that this one got no
		// turn; they are counted.
		return Left{}
	}
	return leftOf(over, r)
}

// tier is that of a rate.
func (l *Limiter) tier(r Rate) *tier {
	if t := (*l.tiers.Load())[r]; t != nil {
		return t
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := *l.tiers.Load()
	if t := before[r]; t != nil {
		return t
	}
	after := maps.Clone(before)
	after[r] = l.newTier(r.whole())
	l.tiers.Store(&after)
	return after[r]
}

func (l *Limiter) newTier(r Rate) *tier {
	t := &tier{local: r.gcra(NewCells(l.cfg.Entries, r.window(), l.cfg.Now))}
	t.local.SetMaxCASAttemptsLimit(maxAttempts)
	if l.cfg.Redis != nil {
		t.shared, t.waiting = newShared(l.cfg.Redis, r), NewCells(l.cfg.Entries, r.window(), l.cfg.Now)
	}
	return t
}
