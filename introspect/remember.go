package introspect

import (
	"context"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// asked is what a remembered asker asks about.
type asked struct {
	asker *asker
	ref   storage.TokenRef
}

// answer answers an asker that is remembered: from memory, or from what somebody
// else is reading, or by a statement of its own.
func (s *Server) answer(ctx context.Context, c caller, v verdict, about asked) (verdict, error) {
	class, ok := about.asker.classes.of(v.question.scope)
	if !ok {
		return s.lookUp(ctx, c, v, about.ref)
	}
	k := keyOf(about.ref, class)
	if e := s.memory.find(k, v.question.now); e != nil {
		return s.recalled(ctx, v, e, fromMemory), nil
	}
	f, first := s.flights.join(k)
	if first {
		return s.lead(ctx, c, v, flying{f, k, about.ref})
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return v, web.Unavailable(ctx.Err())
	}
	// It may have been read before this question was put: only what nothing has
	// happened to since is as good as what would be read now. That a token was dead
	// says nothing at all: it may have been issued, or its tenant resumed, since.
	if e := f.found; e != nil && s.memory.good(e, v.question.now) {
		return s.recalled(ctx, v, e, fromOther), nil
	}
	return s.lookUp(ctx, c, v, about.ref)
}

// flying is a flight that the caller leads.
type flying struct {
	*flight
	key key
	ref storage.TokenRef
}

// lead asks the store for all who join. Who goes away does not take the answer
// from them.
func (s *Server) lead(ctx context.Context, c caller, v verdict, f flying) (verdict, error) {
	defer s.flights.land(f.key, f.flight)
	ctx = context.WithoutCancel(ctx)
	r, err := s.read(ctx, c, &v, f.ref)
	if err != nil {
		return v, err
	}
	v, kept, err := s.conclude(ctx, v, r)
	if kept.key == f.key {
		f.found = kept.entry
	}
	if err == nil && v.why != "" {
		s.memory.drop(f.key)
	}
	return v, err
}

// lookUp asks the store for this question alone.
func (s *Server) lookUp(ctx context.Context, c caller, v verdict, ref storage.TokenRef) (verdict, error) {
	r, err := s.read(ctx, c, &v, ref)
	if err != nil {
		return v, err
	}
	v, _, err = s.conclude(ctx, v, r)
	return v, err
}

// remembered is what is remembered of a token; entry is nil when nothing is.
type remembered struct {
	key   key
	entry entry
}

// remember keeps an asker that may ask, and the answer if it is active.
func (s *Server) remember(v verdict, r reading) (kept remembered) {
	a := s.memory.keepAsker(v.rs, r.mark)
	if a == nil || v.why != "" {
		return kept
	}
	class, ok := a.classes.of(v.question.scope)
	if !ok {
		return kept
	}
	kept.key = keyOf(r.ref, class)
	kept.entry = live{
		mark: r.mark, until: until(r.found), on: s.memory.on(r.found),
		tenant: v.tenant, slug: r.found.Life.TenantSlug, answer: v.answer,
	}.pack()
	if kept.entry != nil {
		s.memory.keep(kept.key, kept.entry)
	}
	return kept
}

// recalled completes a verdict from an entry, which stands for a token that is
// active for this asker and these scopes. What is left to decide is whether it is
// of the tenant that the API call is for. An active answer from memory is quiet,
// whichever way the question came, as the quick one is.
func (s *Server) recalled(ctx context.Context, v verdict, e entry, from source) verdict {
	id, _ := e.tenant()
	v.tenant = storage.TenantID(id)
	switch {
	case v.question.tenant != "" && !e.is(v.question.tenant):
		return inactiveBecause(ctx, v, otherTenant)
	case v.question.tenantBlank:
		return inactiveBecause(ctx, v, tenantBlank)
	}
	v.answer, v.source = e.answer(), from
	if from == fromMemory {
		web.Quiet(ctx)
	}
	web.Annotate(ctx, "tenant_id", string(v.tenant))
	return v
}
