package introspect

import (
	"net/netip"
	"slices"

	"github.com/watchgate/watchgate/storage"
)

// room bounds how much is kept at once, and how much of it is one tenant's: never
// more than is free. A tenant alone has half of it, two have a third each, and
// however many there are, whoever comes next finds some.
type room struct {
	size, taken int
	by          map[storage.TenantID]int
}

func newRoom(size int) *room { return &room{size: size, by: map[storage.TenantID]int{}} }

// enter takes one place for a tenant, if it may have more.
func (r *room) enter(tenant storage.TenantID) bool {
	if r.by[tenant] >= r.size-r.taken {
		return false
	}
	r.by[tenant]++
	r.taken++
	return true
}

// whence is how the address of a call is recorded, "" for what is none: of IPv6 the
// network, because whoever has one address has all of its /64 (RFC 4291, section
// 2.5.4), and would leave a trace of its own with each.
func whence(ip string) string {
	at, ok := addressOf(ip)
	switch {
	case !ok:
		return ""
	case at.Is6():
		return netip.PrefixFrom(at, networkBits).Masked().String()
	}
	return at.String()
}

const (
	networkBits = 64
	// maxRefusedAt is from how many addresses refusals of one key are told apart
	// between two flushes. Its good uses are those that its owner looks for.
	maxRefusedAt = 16
)

// scattered reports whether a refusal comes from one address too many. The lock is
// held.
func (u *uses) scattered(w use) bool {
	seen := u.refusedAt[w.key]
	return len(seen) >= maxRefusedAt && !slices.Contains(seen, w.ip)
}

// refusedFrom notes the address of a refusal that is kept. The lock is held.
func (u *uses) refusedFrom(w use) {
	if seen := u.refusedAt[w.key]; w.ip != "" && !slices.Contains(seen, w.ip) {
		u.refusedAt[w.key] = append(seen, w.ip)
	}
}
