package keyapi

import (
	"context"
	"net/http"
	"strconv"
	"sync"

	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// A person has at most one part in personShare of a tenant's streams.
const personShare = 4

// seat is what open streams are counted by. A field that is "" is anybody.
type seat struct {
	tenant storage.TenantID
	person string
	key    storage.KeyID
	// reserved seats are for the first stream of each key that listens to itself.
	reserved bool
}

// bound is how many streams a seat may have.
type bound struct {
	seat
	most   int
	policy string // its name for the caller
}

// seats are the open streams at this node. A tenant has as many seats for anybody as
// it has for keys that listen to themselves, one each: what some of its people have
// opened does not keep another's runner from hearing of its key's end.
type seats struct {
	tenant, node int // the most of each
	mu           sync.Mutex
	open         int
	taken        map[seat]int
}

// take takes a seat for who listens to a key, until ctx, which is a request's, is
// over.
func (s *seats) take(ctx context.Context, who manage.Principal, key storage.KeyID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= s.node {
		return full(bound{most: s.node, policy: "node-streams"})
	}
	on := s.reserved(who, key)
	if on == nil || s.over(on) != nil {
		on = s.shared(who)
	}
	if b := s.over(on); b != nil {
		return full(*b)
	}
	s.count(on, 1)
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.count(on, -1)
	})
	return nil
}

// reserved are the bounds of a key's stream about itself; nil: it is none.
func (s *seats) reserved(who manage.Principal, key storage.KeyID) []bound {
	if who.Secret == "" || who.Key != key {
		return nil
	}
	on := s.shared(who)
	for i := range on {
		on[i].seat.reserved = true
	}
	return append(on, bound{seat: seat{tenant: who.Tenant, key: key, reserved: true}, most: 1})
}

// shared are the bounds of any stream.
func (s *seats) shared(who manage.Principal) []bound {
	person := listenerOf(who)
	return []bound{
		{seat: seat{tenant: who.Tenant, person: person}, most: max(1, s.tenant/personShare), policy: "person-streams"},
		{seat: seat{tenant: who.Tenant}, most: s.tenant, policy: "tenant-streams"},
	}
}

// listenerOf names whose stream it is. A service key and a machine count as persons.
func listenerOf(who manage.Principal) string {
	switch {
	case who.User != "":
		return "user " + string(who.User)
	case who.Key != "":
		return "key " + string(who.Key)
	}
	return "client " + string(who.Client)
}

// over returns the first bound that is reached; nil: there is room.
func (s *seats) over(on []bound) *bound {
	for i, b := range on {
		if s.taken[b.seat] >= b.most {
			return &on[i]
		}
	}
	return nil
}

func (s *seats) count(on []bound, n int) {
	s.open += n
	for _, b := range on {
		if s.taken[b.seat] += n; s.taken[b.seat] == 0 {
			delete(s.taken, b.seat)
		}
	}
}

// full is 429. A seat becomes free when somebody hangs up, which nobody can foretell.
func full(b bound) error {
	e := web.Refuse(http.StatusTooManyRequests, string(manage.QuotaExceeded), "Too many streams are open.", nil)
	return e.With("Retry-After", "15").With("RateLimit-Policy", strconv.Quote(b.policy)+";q="+strconv.Itoa(b.most))
}
