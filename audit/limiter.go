package audit

import (
	"context"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/watchgate/watchgate/internal/origin"
)

// Limits of a Limiter.
const (
	maxLimited = 4096 // refusals that are remembered
	limitedFor = time.Minute
)

// Limiter keeps strangers from flooding the trail with refusals, which cost them
// nothing: of those that one address brings about, one a minute is recorded for
// each code. Every refusal is in the log. It is one node's memory and safe for
// concurrent use.
type Limiter struct {
	mu   sync.Mutex
	till map[[sha256.Size]byte]time.Time
}

// NewLimiter returns a Limiter that has seen nothing.
func NewLimiter() *Limiter { return &Limiter{till: map[[sha256.Size]byte]time.Time{}} }

// Allow reports whether a refusal with this code, from the address in the
// context, is to be recorded at now, and if so remembers it. trail is the tenant
// in whose trail it would be, "" for the platform's: a crowd behind one address
// does not hide what happens in another tenant.
func (l *Limiter) Allow(ctx context.Context, now time.Time, trail, code string) bool {
	k := limitKey(network(origin.From(ctx).IP), trail, code)
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.till[k]) {
		return false
	}
	if len(l.till) >= maxLimited {
		l.forget(now)
	}
	l.till[k] = now.Add(limitedFor)
	return true
}

// forget makes room: what is over, and one refusal in any case.
func (l *Limiter) forget(now time.Time) {
	for k, till := range l.till {
		if !now.Before(till) || len(l.till) >= maxLimited {
			delete(l.till, k)
		}
	}
}

// network is an IPv4 address, or the /64 of an IPv6 one: whoever has one address
// of it has all.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || !a.Is6() || a.Is4In6() {
		return ip
	}
	return netip.PrefixFrom(a.WithZone(""), 64).Masked().String()
}

// limitKey hashes the texts so that no two lists of them share a spelling, and
// so that long ones take no room.
func limitKey(texts ...string) [sha256.Size]byte {
	var all []byte
	for _, t := range texts {
		h := sha256.Sum256([]byte(t))
		all = append(all, h[:]...)
	}
	return sha256.Sum256(all)
}
