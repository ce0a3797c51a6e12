package introspect

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

// question is what a resource server, or a proxy in front of one, wants to know.
type question struct {
	now    time.Time
	token  string // as presented
	tenant string // slug or id of the API call's tenant; "" names none
	// tenantBlank: a tenant was to be named, and was not.
	tenantBlank bool
	scope       string // what the call needs, space-separated; "" asks for all there is
	// Of the call, as the resource server saw it; "" was not told. Keys can be bound
	// to them, and no token is.
	ip    string // where it came from
	proto string // https, or something else
	// needed is for the record of how a key is used: the scopes that the call needs, of
	// an asker that looks itself whether they are there. It filters nothing.
	needed string
}

// verdict is the answer to a question of an authenticated asker.
type verdict struct {
	question question
	rs       storage.ResourceServer
	// why is "" for an active token, and otherwise a short stable code for the log
	// and the metrics, which nobody else reads.
	why string
	// answer is the JSON of RFC 7662 section 2.2, encoded. It must not be modified:
	// others may be getting the same bytes.
	answer []byte
	// tenant is the credential's; "" when there is none.
	tenant storage.TenantID
	key    *keyed // the API key that was found; nil: none, or a token
	source source // of an active answer
}

// ask answers a question in the same steps, whoever puts it:
//
//  1. caller and credential are found: in memory, as far as that may be trusted, or
//     else in one statement;
//  2. is the caller a resource server that may ask: the refusal is recorded;
//  3. the decision, and the encoded answer;
//  4. what the use of a key takes from its rate, and that it was used.
//
// Its errors are [web.Error]s: 401 for the caller, 503 when nobody can tell, 429
// when the caller asks too often, and when the key is used too often (errKeyRate).
func (s *Server) ask(ctx context.Context, c caller, q question) (verdict, error) {
	v, err := s.settle(ctx, c, verdict{question: q})
	if err == nil && v.key != nil {
		err = s.spend(ctx, v)
	}
	if errors.Is(err, errKeyRate) && v.source != fromStore {
		// It was the key's doing, not the caller's. What costs a statement is the
		// caller's in any case: or else one key over its rate were free.
		s.limits.giveBack(ctx, v.rs.ID)
	}
	s.metrics.count(v, err)
	return v, err
}

func (s *Server) settle(ctx context.Context, c caller, v verdict) (verdict, error) {
	// Before anything is looked up, in memory or in the store (see limit.go).
	if err := s.limits.admit(ctx, c, v.question.now); err != nil {
		return v, err
	}
	about := s.subjectOf(v.question.token)
	a := s.memory.asker(c, v.question.now)
	switch {
	case a == nil && !s.genuine(ctx, about, v.question.token):
		return s.malformed(ctx, c, v)
	case a == nil:
		return s.introduce(ctx, c, v, about)
	}
	v.rs = a.rs
	if err := s.accept(ctx, c, v); err != nil {
		return v, err
	}
	switch {
	case about.form == formless:
		return inactiveBecause(ctx, v, kindOf(v.question.token)), nil
	case about.over(v.question.now):
		return inactiveBecause(ctx, v, "expired"), nil
	}
	return s.answer(ctx, c, v, asked{a, about})
}

// accept is done once for each question of a caller that has proven who it is,
// before the question is answered.
func (s *Server) accept(ctx context.Context, c caller, v verdict) error {
	web.Annotate(ctx, "resource_server", string(v.rs.ID))
	return s.limits.accepted(ctx, c, v.question.now)
}

// introduce answers a caller that is not remembered: one statement finds it and
// what it asks about.
func (s *Server) introduce(ctx context.Context, c caller, v verdict, about subject) (verdict, error) {
	r, err := s.read(ctx, c, &v, about)
	if err == nil {
		err = s.accept(ctx, c, v)
	}
	if err != nil {
		return v, err
	}
	v, _, err = s.conclude(ctx, v, r)
	return v, err
}

// reading is what one statement found.
type reading struct {
	mark  coherence.Mark // noted before
	about subject
	found *storage.LiveToken // nil: there is none
	key   *storage.LiveKey   // nil: there is none
}

// read asks the store, and decides whether the caller may ask; the refusal is
// recorded.
func (s *Server) read(ctx context.Context, c caller, v *verdict, about subject) (reading, error) {
	r := reading{mark: s.memory.node.Mark(), about: about}
	err := s.find(ctx, c, v, &r)
	if err := s.authenticate(ctx, c, *v, err); err != nil {
		return r, s.refuse(ctx, c, err)
	}
	return r, nil
}

// find is the one statement.
func (s *Server) find(ctx context.Context, c caller, v *verdict, r *reading) (err error) {
	ref := r.about.ref
	if r.about.form == apiKey {
		v.rs, r.key, err = s.cfg.Store.IntrospectKey(ctx, storage.ResourceServerID(c.ID), ref.Hash)
		return err
	}
	v.rs, r.found, err = s.cfg.Store.Introspect(ctx, storage.ResourceServerID(c.ID), ref)
	return err
}

// conclude decides about what was read, and remembers what it may.
func (s *Server) conclude(ctx context.Context, v verdict, r reading) (verdict, remembered, error) {
	found := s.credential(r)
	v, err := s.decided(ctx, v, found)
	if err != nil {
		return v, remembered{}, err
	}
	return v, s.remember(v, r, found), nil
}

// decided completes a verdict about what was found, or was not (nil).
func (s *Server) decided(ctx context.Context, v verdict, found *credential) (verdict, error) {
	scopes, why := s.decide(v.question, v.rs, found)
	if found != nil {
		v.tenant, v.key = found.life.TenantID, found.keyed()
	}
	if why != "" {
		return inactiveBecause(ctx, v, why), nil
	}
	var err error
	v.answer, err = encode(s.describe(v.rs, found, scopes))
	web.Annotate(ctx, "tenant_id", string(v.tenant))
	return v, err
}

func inactiveBecause(ctx context.Context, v verdict, why string) verdict {
	v.why, v.answer = why, inactive
	web.Annotate(ctx, "inactive", why)
	return v
}

// malformed answers a caller that is not remembered about what is missing,
// garbage, or of a kind that resource servers learn nothing about. There is
// nothing to look up but the caller. While nothing may be remembered, not even
// that is done when the same credentials were good a moment ago: the answer tells
// nothing, so that it does no harm if they were withdrawn since. Garbage, which
// anybody can send to an API, costs no query then.
func (s *Server) malformed(ctx context.Context, c caller, v verdict) (verdict, error) {
	if s.memory.node.Held() || !s.known.has(v.question.now, c.ID, c.Secret) {
		mark := s.memory.node.Mark()
		var err error
		v.rs, err = s.cfg.Store.ResourceServer(ctx, storage.ResourceServerID(c.ID))
		if err := s.authenticate(ctx, c, v, err); err != nil {
			return v, s.refuse(ctx, c, err)
		}
		s.memory.keepAsker(v.rs, mark)
	} else {
		v.rs.ID = storage.ResourceServerID(c.ID)
	}
	if err := s.accept(ctx, c, v); err != nil {
		return v, err
	}
	return inactiveBecause(ctx, v, kindOf(v.question.token)), nil
}

// credentials reads who asks. A secret is needed, in the header or in the body.
func credentials(r *http.Request, form web.Form) (caller, error) {
	if h := r.Header["Authorization"]; len(h) == 1 && isBearer(h[0]) {
		// A user's access token is no resource server's credential (RFC 7662
		// section 2.3, RFC 6750 section 3.1).
		return caller{UsedHeader: true}, web.Refuse(http.StatusUnauthorized, "invalid_token",
			"Access tokens do not authorize introspection.", errBearer).With("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	c, err := clientauth.Read(r, form)
	if err == nil && c.Method == storage.AuthNone {
		return c, clientauth.Invalid(c).With("WWW-Authenticate", clientauth.Challenge)
	}
	return c, err
}

func isBearer(header string) bool {
	scheme, _, _ := strings.Cut(header, " ")
	return strings.EqualFold(scheme, "Bearer")
}

// Causes of refusals, for the log.
var (
	errBearer   = errors.New("bearer token instead of a resource server's credentials")
	errUnknown  = errors.New("no such resource server")
	errDisabled = errors.New("resource server is disabled")
	errSecret   = errors.New("wrong secret")
)

// authenticate decides whether the caller may ask; found is the error of the
// lookup. The answer is the same for every reason, and takes the same time.
func (s *Server) authenticate(ctx context.Context, c caller, v verdict, found error) error {
	unknown := errors.Is(found, storage.ErrNotFound)
	if found != nil && !unknown {
		return web.Unavailable(found)
	}
	good := clientauth.Check(c, c.Method, v.rs.Secrets, v.question.now)
	refusal := clientauth.Invalid(c)
	switch {
	case unknown:
		refusal.Err = errUnknown
	case !good:
		refusal.Err = errSecret
	case !v.rs.DisabledAt.IsZero():
		refusal.Err = errDisabled
	default:
		s.known.add(v.question.now, c.ID, c.Secret)
		return nil
	}
	s.limits.failed(ctx, c)
	return refusal
}
