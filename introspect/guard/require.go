package guard

import (
	"context"
	"net/http"
)

// Require returns a middleware that lets calls through whose token is good for
// scope (several with a space between: all of them) and for the tenant that the
// call is for, by slug or id, as tenant says; see [PathValue]. A call whose tenant
// is blank is answered 404. For endpoints that belong to no tenant there is
// [Guard.RequireAnyTenant].
//
// It panics on a malformed scope and without a tenant, which are mistakes of the
// program, as [http.ServeMux.Handle] does on a bad pattern.
func (g *Guard) Require(scope string, tenant func(*http.Request) string, more ...Option) func(http.Handler) http.Handler {
	if tenant == nil {
		panic("guard: Require without a tenant; for tokens of every tenant, say RequireAnyTenant")
	}
	return g.require(Need{Scope: scope}, tenant, more)
}

// RequireAnyTenant is Require for calls that no tenant owns, such as "who am I": it
// lets tokens of every tenant through. What the handler reads must be chosen by
// the Principal's TenantID then, and by nothing that the caller sent.
func (g *Guard) RequireAnyTenant(scope string, more ...Option) func(http.Handler) http.Handler {
	return g.require(Need{Scope: scope, AnyTenant: true}, func(*http.Request) string { return "" }, more)
}

// PathValue reads the tenant from the path: PathValue("tenant") is for patterns of
// [http.ServeMux] such as /t/{tenant}/monitors.
func PathValue(name string) func(*http.Request) string {
	return func(r *http.Request) string { return r.PathValue(name) }
}

func (g *Guard) require(need Need, tenant func(*http.Request) string, more []Option) func(http.Handler) http.Handler {
	mustBeScope(need.Scope)
	for _, add := range more {
		add(&need)
	}
	refusals := newRefusals(g.cfg, need)
	return func(next http.Handler) http.Handler {
		return &gate{guard: g, need: need, tenant: tenant, refusals: refusals, next: next}
	}
}

// gate is the middleware before one handler.
type gate struct {
	guard    *Guard
	need     Need
	tenant   func(*http.Request) string
	refusals refusals
	next     http.Handler
}

func (a *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := a.guard.begin()
	found := a.decide(r)
	a.guard.observe(r.Context(), began, found)
	if found.err != nil {
		a.refusals.write(w, r, found.err)
		return
	}
	a.next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey{}, found.principal)))
}

func (a *gate) decide(r *http.Request) reply {
	token, err := a.guard.Credential(r)
	if err != nil {
		return reply{err: err}
	}
	need := a.need
	need.Tenant, need.request = a.tenant(r), r
	return a.guard.decide(r.Context(), token, &need)
}
