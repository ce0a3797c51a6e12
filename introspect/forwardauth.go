package introspect

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// forwardAuthPath is where proxies ask. Below it, what follows is the path and
// the query of the request in the proxy's hands, as Envoy sends it.
const forwardAuthPath = "/forward-auth"

// mountForwardAuth adds /forward-auth and everything below it, for any method:
// some proxies ask with the method of the request in their hands.
func (s *Server) mountForwardAuth(m *web.Mux) {
	m.API(forwardAuthPath, s.forwardAuth)
	m.API(forwardAuthPath+"/", s.forwardAuth)
}

// forwardAuth answers a proxy that holds a request and asks whether it may pass:
// 200 and who it is, or what the proxy is to answer instead (RFC 6750 section 3).
//
// The proxy is a registered resource server and proves it first, in a header of
// its own: Authorization is the one of the request in its hands. Until it has,
// it learns nothing.
func (s *Server) forwardAuth(w http.ResponseWriter, r *http.Request) error {
	c, err := proxyOf(r.Header)
	if err != nil {
		return toProxy(s.refuse(r.Context(), c, err))
	}
	need, wrong := needsOf(r)
	presented, refusal := s.presented(r)
	if wrong != nil {
		presented = "" // it takes nothing from a key's rate, and the answer does not depend on it
	}
	v, err := s.ask(r.Context(), c, question{
		now: s.cfg.Now(), token: presented, tenant: need.tenant, tenantBlank: need.nobody, ip: need.ip, proto: need.proto,
		needed: strings.Join(need.scopes, " "),
	})
	switch {
	case err != nil:
		return toProxy(err)
	case wrong != nil:
		return wrong
	case refusal != nil:
		return refusal
	}
	err = pass(r.Context(), w, v, need)
	s.after(r.Context(), w, v)
	return err
}

// errTwice is why a proxy with two credentials is none: the other one may be the
// client's.
var errTwice = errors.New("more than one X-Watchgate-Authorization header, or none that is Basic")

// proxyOf reads who asks: Basic credentials, as in Authorization, in a header
// that the proxy's configuration sets.
func proxyOf(h http.Header) (caller, error) {
	own := &http.Request{Header: http.Header{"Authorization": h["X-Watchgate-Authorization"]}}
	c, err := clientauth.Read(own, web.Form{})
	if err == nil && c.Method == storage.AuthBasic {
		return c, nil
	}
	refusal := clientauth.Invalid(c)
	refusal.Err = errors.Join(errTwice, err)
	return c, refusal
}

// toProxy turns the refusal of a resource server into one of a proxy. What a
// proxy does wrong is its operator's mistake: whoever waits behind it is to see a
// broken server (5xx), and not a request for credentials, which 401 would be in
// every proxy; and too many questions are not theirs alone. That their own key is
// used too often is theirs.
func toProxy(err error) error {
	e := web.AsError(err)
	switch e.Status {
	case http.StatusUnauthorized:
		return web.Refuse(http.StatusInternalServerError, e.Code, "The proxy in front of this API is not registered here, or its secret is wrong.", e.Err)
	case http.StatusTooManyRequests:
		if errors.Is(err, errKeyRate) {
			return err
		}
		busy := *e
		busy.Status = http.StatusServiceUnavailable
		return &busy
	}
	return e
}

// pass writes who it is, when the credential is good, has every scope, and rests on
// such a sign-in; and the refusal, or returns it.
func pass(ctx context.Context, w http.ResponseWriter, v verdict, need needs) error {
	var a active
	if err := json.Unmarshal(v.answer, &a); err != nil {
		return err
	}
	if !a.Active {
		return refuseToken(w)
	}
	if lacks(strings.Fields(a.Scope), need.scopes) {
		noteUnregistered(ctx, v.rs, need.scopes)
		return web.Refuse(http.StatusForbidden, "insufficient_scope", "The access token lacks a scope.", nil).
			With("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+strings.Join(need.scopes, " ")+`"`)
	}
	if err := need.signIn.met(a, v.question.now); err != nil {
		return err
	}
	if err := identify(w.Header(), a); err != nil {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

func lacks(own, needed []string) bool {
	return slices.ContainsFunc(needed, func(s string) bool { return !slices.Contains(own, s) })
}

// noteUnregistered says in the log when no token can have what is needed, because
// the proxy's own resource server does not offer it: its operator's mistake, which
// looks like its users' lack of a scope. Not which one: a client can name some.
func noteUnregistered(ctx context.Context, rs storage.ResourceServer, needed []string) {
	offered := make([]string, 0, len(rs.Scopes))
	for _, s := range rs.Scopes {
		offered = append(offered, s.Name)
	}
	if lacks(offered, needed) {
		web.Annotate(ctx, "unregistered_scope", true)
	}
}
