package introspect

import (
	"context"
	"errors"
	"net/http"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// keyed is what a verdict about an API key has beside that about a token, and what
// is remembered with it.
type keyed struct {
	id     storage.KeyID
	tenant storage.TenantID
	rules  rules
	ruled  bool // there are rules to look at on every call
	tally  tally
}

// keyed is nil for a token that was not minted under a key.
func (c *credential) keyed() *keyed {
	if c.under == "" {
		return nil
	}
	return &keyed{id: c.under, tenant: c.life.TenantID, rules: c.rules, ruled: c.rules.any()}
}

// weight is how many bytes it takes, with one or two addresses that are counted.
func (k *keyed) weight() uint32 {
	if k == nil {
		return 0
	}
	return keyedBytes + uint32(len(k.rules.allowed))*prefixBytes
}

const (
	keyedBytes  = 128 + 4*32 + 2*(160+32) // with its texts, and two spots with theirs
	prefixBytes = 32
)

// errKeyRate is why a question is answered 429 that the asker was free to put.
var errKeyRate = errors.New("the API key is over its rate")

// spend is done once for each verdict about a key: an active one takes one from the
// rate of the key, and each is noted. Its error is 429, for whoever uses the key;
// nothing was taken then.
func (s *Server) spend(ctx context.Context, v verdict) error {
	if v.why != "" {
		s.uses.note(v, v.why)
		return nil
	}
	if left := s.cfg.KeyLimits.Take(ctx, string(v.key.id), v.key.rules.rate); left.Over {
		s.uses.note(v, tooOften)
		return slowDown(left, v.key.rules.rate)
	}
	if v.source == fromStore {
		s.uses.note(v, "")
	} else {
		s.uses.count(v.key, v.rs.ID, v.question)
	}
	return nil
}

// slowDown is 429 with the headers of the key's rate, and of nothing else.
func slowDown(left limit.Left, r limit.Rate) error {
	e := web.Refuse(http.StatusTooManyRequests, "slow_down", "This API key is used too often. Try again in a moment.", errKeyRate)
	e.Header = http.Header{}
	left.Headers(e.Header, "key", r)
	return e
}

// spendQuickly is spend for an answer from memory that already took its share of
// the asker's quota. False: the question has to take the usual way, and nothing has
// been taken.
func (s *Server) spendQuickly(ctx context.Context, rs storage.ResourceServerID, k *keyed, q question) bool {
	if k.ruled && (k.rules.refuse(q) != "" || s.cfg.KeyLimits.Take(ctx, string(k.id), k.rules.rate).Over) {
		s.limits.giveBack(ctx, rs)
		return false
	}
	s.uses.count(k, rs, q)
	return true
}

// giveBack undoes what [limits.accepted] or [Server.roomy] took.
func (l *limits) giveBack(ctx context.Context, id storage.ResourceServerID) {
	l.questions.read(ctx, string(id), -1)
}
