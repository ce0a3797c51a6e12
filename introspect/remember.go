package introspect

import (
	"context"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// asked is what a remembered asker asks about.
type asked struct {
	asker *asker
	subject
}

// answer answers an asker that is remembered: from memory, or from what somebody
// else is reading, or by a statement of its own.
func (s *Server) answer(ctx context.Context, c caller, v verdict, about asked) (verdict, error) {
	class, ok := about.asker.classes.of(v.question.scope)
	if !ok {
		return s.lookUp(ctx, c, v, about.subject)
	}
	k := keyOf(about.ref, class)
	if e := s.memory.find(k, v.question.now); !e.none() {
		return s.recalled(ctx, v, e, fromMemory), nil
	}
	if !s.genuine(ctx, about.subject, v.question.token) {
		return inactiveBecause(ctx, v, kindOf(v.question.token)), nil
	}
	f, first := s.flights.join(k)
	if first {
		return s.lead(ctx, c, v, flying{f, k, about.subject})
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return v, web.Unavailable(ctx.Err())
	}
	// It may have been read before this question was put: only what nothing has
	// happened to since is as good as what would be read now. That a token was dead
	// says nothing at all: it may have been issued, or its tenant resumed, since.
	if e := f.found; !e.none() && s.memory.good(e, v.question.now) {
		return s.recalled(ctx, v, e, fromOther), nil
	}
	return s.lookUp(ctx, c, v, about.subject)
}

// flying is a flight that the caller leads.
type flying struct {
	*flight
	key key
	subject
}

// lead asks the store for all who join. Who goes away does not take the answer
// from them.
func (s *Server) lead(ctx context.Context, c caller, v verdict, f flying) (verdict, error) {
	defer s.flights.land(f.key, f.flight)
	ctx = context.WithoutCancel(ctx)
	r, err := s.read(ctx, c, &v, f.subject)
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
func (s *Server) lookUp(ctx context.Context, c caller, v verdict, about subject) (verdict, error) {
	r, err := s.read(ctx, c, &v, about)
	if err != nil {
		return v, err
	}
	v, _, err = s.conclude(ctx, v, r)
	return v, err
}

// remembered is what is remembered of a credential; there is no entry when nothing is.
type remembered struct {
	key   key
	entry entry
}

// remember keeps an asker that may ask, and the answer if it is active.
func (s *Server) remember(v verdict, r reading, found *credential) (kept remembered) {
	a := s.memory.keepAsker(v.rs, r.mark)
	if a == nil || v.why != "" {
		return kept
	}
	class, ok := a.classes.of(v.question.scope)
	if !ok {
		return kept
	}
	on, ok := s.memory.on(found)
	if !ok {
		return kept
	}
	kept.key = keyOf(r.about.ref, class)
	kept.entry = entry{key: v.key, packed: live{
		mark: r.mark, until: found.until(), on: on, tenant: v.tenant, slug: found.life.TenantSlug, answer: v.answer,
	}.pack()}
	if !kept.entry.none() {
		s.memory.keep(kept.key, kept.entry)
	}
	return kept
}

// recalled completes a verdict from an entry, which stands for a credential that is
// active for this asker and these scopes. What is left to decide is whether it is
// of the tenant that the API call is for, and, of a key, whether it is good for this
// call. An active answer from memory is quiet, whichever way the question came, as
// the quick one is.
func (s *Server) recalled(ctx context.Context, v verdict, e entry, from source) verdict {
	id, _ := e.packed.tenant()
	v.tenant, v.key, v.source = storage.TenantID(id), e.key, from
	switch {
	case v.question.tenant != "" && !e.packed.is(v.question.tenant):
		return inactiveBecause(ctx, v, otherTenant)
	case v.question.tenantBlank:
		return inactiveBecause(ctx, v, tenantBlank)
	case e.key != nil:
		if why := e.key.rules.refuse(v.question); why != "" {
			return inactiveBecause(ctx, v, why)
		}
	}
	v.answer = e.packed.answer()
	if from == fromMemory {
		web.Quiet(ctx)
	}
	web.Annotate(ctx, "tenant_id", string(v.tenant))
	return v
}
