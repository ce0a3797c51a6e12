package introspect

import (
	"context"
	"errors"
	"fmt"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Ask is a call of the deployment's own API, to be checked.
type Ask struct {
	Token string // an access token or an API key, as presented
	IP    string // where the call came from; "" when it is not known
	HTTPS bool   // the call came over HTTPS
	// Again is set for a credential that was accepted for this very call before:
	// nothing is counted, and its rate is left alone.
	Again bool
	// Needed are the scopes that the call needs, for the record of how a key is used.
	Needed string
}

// Holder is who presented a credential, as the store has it at this moment.
type Holder struct {
	Active bool
	// Why it is not active, as a short stable code for the log; nobody else reads it.
	Why   string
	Token *storage.LiveToken // nil: it is a key, or not active
	Key   *storage.LiveKey   // nil: it is a token, or not active
	// Scopes are all that the credential is good for: what its own imply is among
	// them, and what the present role of its owner does not permit is not.
	Scopes []string
}

// Check is the question of the deployment's own API, which is a resource server like
// any other and is named by own, but needs no credentials to ask. What was found is
// remembered as answers are, and as long as it is what the database would say; the
// decision is made on every call. What has to be looked up costs one statement, and
// what has not the form of a credential none.
//
// Its errors are [web.Error]s: 503 when nobody can tell, and 429, with the headers of
// [Limits], when a key is used more often than its profile says. Any other error says
// that own is not registered, or disabled.
func (s *Server) Check(ctx context.Context, own storage.ResourceServerID, q Ask) (Holder, error) {
	v := verdict{question: question{now: s.cfg.Now(), token: q.Token, ip: q.IP, needed: q.Needed}, rs: storage.ResourceServer{ID: own}}
	if q.HTTPS {
		v.question.proto = "https"
	}
	h, err := s.check(ctx, &v)
	if err == nil && v.key != nil && !q.Again {
		err = s.spend(ctx, v)
	}
	s.metrics.count(v, err)
	if err != nil {
		return Holder{}, err
	}
	s.guessed(ctx, v)
	return h, nil
}

func (s *Server) check(ctx context.Context, v *verdict) (Holder, error) {
	about := s.subjectOf(v.question.token)
	if r := s.own.recall(v.rs.ID, about); r != nil {
		v.rs, v.source = r.rs, fromMemory
		return s.holder(ctx, v, r.found, r.key), nil
	}
	if !s.genuine(ctx, about, v.question.token) {
		*v = inactiveBecause(ctx, *v, kindOf(v.question.token))
		return Holder{Why: v.why}, nil
	}
	r := reading{mark: s.memory.node.Mark(), about: about}
	if err := s.find(ctx, caller{ID: string(v.rs.ID)}, v, &r); errors.Is(err, storage.ErrNotFound) {
		return Holder{}, fmt.Errorf("introspect: the deployment's own API: %w", errUnknown)
	} else if err != nil {
		return Holder{}, web.Unavailable(err)
	}
	if !v.rs.DisabledAt.IsZero() {
		return Holder{}, fmt.Errorf("introspect: the deployment's own API: %w", errDisabled)
	}
	found := s.credential(r)
	if found == nil {
		return s.holder(ctx, v, nil, nil), nil
	}
	// One for all calls: what it counts is flushed as a whole.
	key := found.keyed()
	h := s.holder(ctx, v, found, key)
	if h.Active {
		s.own.keep(about, ownReading{mark: r.mark, rs: v.rs, found: found, key: key})
	}
	return h, nil
}

// holder decides as about any other question, and leaves the scopes whole.
func (s *Server) holder(ctx context.Context, v *verdict, found *credential, key *keyed) Holder {
	if found != nil {
		v.tenant, v.key = found.life.TenantID, key
	}
	if why := barred(v.question, v.rs, found); why != "" {
		*v = inactiveBecause(ctx, *v, why)
		return Holder{Why: why}
	}
	return Holder{Active: true, Token: found.token, Key: found.key, Scopes: s.effective(found)}
}
