package manage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/watchgate/watchgate/internal/web"
)

// route is an operation on the edge.
type route struct {
	api   *API
	op    Operation
	query map[string]bool // parameters that it knows
	media []string        // of the body; none: it takes none
	next  func(*recorder, *http.Request)
}

// serve takes a request through the steps that [API] names.
func (rt *route) serve(w http.ResponseWriter, r *http.Request) error {
	c, err := rt.admit(r)
	if err != nil {
		return rt.api.asWeb(err)
	}
	if err := rt.read(c, r); err != nil {
		return rt.api.asWeb(err)
	}
	r, done := rt.detached(rt.prepared(c, r))
	defer done()
	rec, err := rt.idempotently(c, r)
	if err != nil {
		return rt.api.asWeb(err)
	}
	if rec.stream != nil {
		return rec.stream(w, r)
	}
	rec.writeTo(w)
	return nil
}

// admit decides who asks, and whether they may: steps 1 and 2. A parameter that is
// not well formed is refused before anything is looked up.
func (rt *route) admit(r *http.Request) (*call, error) {
	query, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	cred, err := rt.api.credential(r, query)
	if err != nil {
		return nil, err
	}
	cred.Needed = rt.op.Scopes
	who, err := rt.api.authenticate(r.Context(), cred)
	if err != nil {
		return nil, err
	}
	web.Annotate(r.Context(), "tenant_id", string(who.Tenant))
	if who.Key != "" {
		web.Annotate(r.Context(), "key_id", string(who.Key))
	}
	if missing := who.lacks(rt.op.Scopes); len(missing) > 0 && !rt.aboutItself(who, r) {
		return nil, &Problem{Kind: InsufficientScope, Detail: "The credential does not have every scope that this needs.", scopes: rt.op.Scopes}
	}
	if err := rt.api.assured(r.Context(), rt.op, who); err != nil {
		return nil, err
	}
	return &call{api: rt.api, op: rt.op, who: who, cred: cred, query: query, path: r.URL.Path}, nil
}

// aboutItself reports whether a key asks about itself. A token that was minted under
// it is good for its scopes alone.
func (rt *route) aboutItself(who Principal, r *http.Request) bool {
	return rt.op.Self && who.Key != "" && who.Secret != "" && r.PathValue("id") == string(who.Key)
}

// authenticate asks whom a credential stands for. A principal without a tenant is
// nobody's: nothing here is the platform's.
func (a *API) authenticate(ctx context.Context, cred Credential) (Principal, error) {
	who, err := a.cfg.Auth.Authenticate(ctx, cred)
	switch {
	case errors.Is(err, ErrInactive):
		return Principal{}, inactive()
	case err != nil:
		return Principal{}, err
	case who.Tenant == "":
		return Principal{}, inactive()
	}
	return who, nil
}

// prepared is the request as huma gets it: its context knows the call, its body is
// what was read, and what was negotiated is not negotiated again.
func (rt *route) prepared(c *call, r *http.Request) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), callKey{}, c))
	r.Header = r.Header.Clone()
	r.Header.Set("Accept", c.media)
	r.Header.Set("Content-Type", mediaJSON)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(c.body)), int64(len(c.body))
	return r
}

// run is steps 5 and 6.
func (rt *route) run(c *call, r *http.Request) (*recorder, error) {
	rec := newRecorder()
	rt.next(rec, r)
	if c.problem != nil {
		return nil, c.problem
	}
	rec.tag(c.media)
	return rec, nil
}

// writeTo writes the whole answer.
func (r *recorder) writeTo(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range r.header {
		h[name] = values
	}
	h.Add("Vary", "Accept, Authorization, X-API-Key")
	if r.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(r.body.Len()))
	}
	w.WriteHeader(max(r.status, http.StatusOK))
	_, _ = w.Write(r.body.Bytes()) // whoever went away needs no answer
}
