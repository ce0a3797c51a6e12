package manage

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Field says what is wrong with one part of a request.
type Field struct {
	// Field is its name; of a body, the way to it: scopes[1].
	Field string `json:"field" doc:"The name of the field or parameter; in a body, the way to it" example:"scopes[1]"`
	// In is where it was: body (which "" stands for), query, header or path.
	In     string `json:"in" enum:"body,query,header,path" doc:"Where it was" example:"body"`
	Detail string `json:"detail" doc:"What is wrong with it" example:"There is no such scope."`
}

// Problem is a refusal (RFC 9457). Its texts are for the caller.
type Problem struct {
	Kind   Kind
	Detail string // one or two sentences; "": what is said of every problem of the kind
	Fields []Field
	// MaxAge, of Reauthenticate and MFARequired, is how old the proof may be (RFC 9470).
	MaxAge time.Duration
	// Level, of MFARequired, is what has to be proved; "": LevelMFA.
	Level storage.Level
	// scopes are those of InsufficientScope (RFC 6750 section 3).
	scopes []string
	// challenge is the error of WWW-Authenticate; "": none was presented.
	challenge string
	cause     error // for the log
}

// Refuse returns a problem. Without a detail it says what is said of every problem
// of the kind. Fields without In are of the body.
func Refuse(kind Kind, detail string, fields ...Field) error {
	return &Problem{Kind: kind, Detail: detail, Fields: fields}
}

// Error is for the log: what the caller reads may hold what the caller sent.
func (p *Problem) Error() string {
	if p.cause != nil {
		return string(p.Kind) + ": " + p.cause.Error()
	}
	return string(p.Kind)
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.cause }

// problemOf is the problem that err is or wraps, or what the edge makes of it.
func problemOf(err error) (*Problem, http.Header) {
	var p *Problem
	if errors.As(err, &p) {
		return p, nil
	}
	e := web.AsError(err)
	if errors.As(e.Err, &p) {
		return p, e.Header
	}
	return &Problem{Kind: kindOf(e.Status), Detail: publicDetail(e), cause: e.Err}, e.Header
}

// publicDetail is what the edge says, where it says more than we do.
func publicDetail(e *web.Error) string {
	switch e.Status {
	case http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return ""
	}
	return e.Public
}

// asWeb is the problem as the edge's error. A kind that was not made here keeps
// its own status: 421 and 431 are no 400.
func (a *API) asWeb(err error) *web.Error {
	var e *web.Error
	if errors.As(err, &e) {
		return e
	}
	p, header := problemOf(err)
	out := &web.Error{Status: p.Kind.Status(), Code: string(p.Kind), Public: p.Detail, Err: p, Header: header}
	if p.Kind == Unavailable || p.Kind == IdempotencyInFlight {
		out = out.With("Retry-After", "1")
	}
	if challenge := a.challenge(p); challenge != "" {
		out = out.With("WWW-Authenticate", challenge)
	}
	return out
}

// document is a problem on the wire.
type document struct {
	Type   string `json:"type" format:"uri" doc:"What kind of problem it is: an address that explains it" example:"https://github.com/watchgate/watchgate/blob/main/docs/problems/invalid.md"`
	Title  string `json:"title" doc:"The kind in words; always the same for a type" example:"A field is not valid"`
	Status int    `json:"status" doc:"The HTTP status" example:"422"`
	Detail string `json:"detail" doc:"What happened here, and what to do" example:"At least one field of the request is not valid."`
	// Instance names the request, for the operator's log.
	Instance string  `json:"instance,omitempty" format:"uri" doc:"Which request it was: its id is in the operator's log" example:"urn:watchgate:request:abcdefghijklmnop"`
	Code     string  `json:"code,omitempty" doc:"The product's own code for a 401 or a 403" example:"forbidden"`
	Errors   []Field `json:"errors,omitempty" doc:"The parts of the request that are not right"`
	// Violated are the names of quota policies (draft-ietf-httpapi-ratelimit-headers).
	Violated []string `json:"violated-policies,omitempty" doc:"The quota policies that the request would break"`
	Scopes   []string `json:"scopes,omitempty" doc:"The scopes that are needed" example:"[\"api-keys:read\"]"`
	MaxAge   int      `json:"max_age,omitempty" doc:"How many seconds old the sign-in, or the proof of the second factor, may be" example:"300"`
}

// write is the edge's error writer for everything under /v1/.
func (a *API) write(w http.ResponseWriter, r *http.Request, e *web.Error) {
	p, _ := problemOf(e)
	h := w.Header()
	for name, values := range a.asWeb(p).Header {
		if h.Get(name) == "" {
			h[name] = values
		}
	}
	id := origin.From(r.Context()).RequestID
	d := a.document(p, e.Status, id)
	d.Violated = policies(h.Get("RateLimit-Policy"))
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/problem+json")
	if id != "" {
		h.Set("X-Request-Id", id)
	}
	w.WriteHeader(e.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(d) // whoever went away needs no answer
}

func (a *API) document(p *Problem, status int, request string) document {
	f := p.Kind.facts()
	d := document{
		Type: p.Kind.uri(), Title: f.title, Status: status, Detail: p.Detail, Code: a.code(p.Kind),
		Errors: p.Fields, Scopes: p.scopes, MaxAge: int(p.MaxAge.Seconds()),
	}
	if d.Detail == "" {
		d.Detail = f.plain
	}
	if request != "" {
		d.Instance = "urn:watchgate:request:" + request
	}
	d.Errors = make([]Field, len(p.Fields))
	for i, field := range p.Fields {
		if field.In == "" {
			field.In = "body"
		}
		d.Errors[i] = field
	}
	return d
}

// code is the product's own word for a 401 or a 403.
func (a *API) code(k Kind) string {
	switch {
	case k.Status() == http.StatusUnauthorized:
		return a.cfg.Codes.Unauthenticated
	case k.Status() == http.StatusForbidden:
		return a.cfg.Codes.Forbidden
	}
	return ""
}

// challenge is the WWW-Authenticate header of a problem (RFC 6750 section 3, RFC
// 9470 section 3); "": it has none.
func (a *API) challenge(p *Problem) string {
	attributes := []string{`realm="` + a.cfg.Issuer + `"`}
	add := func(name, value string) { attributes = append(attributes, name+`="`+value+`"`) }
	switch p.Kind {
	case Unauthenticated:
		if p.challenge != "" {
			add("error", p.challenge)
		}
	case InsufficientScope:
		add("error", "insufficient_scope")
		add("scope", strings.Join(p.scopes, " "))
	case MFARequired, Reauthenticate:
		add("error", "insufficient_user_authentication")
		if p.Kind == MFARequired {
			add("acr_values", string(cmp.Or(p.Level, storage.LevelMFA)))
		}
		if p.MaxAge > 0 {
			add("max_age", strconv.Itoa(int(p.MaxAge.Seconds())))
		}
	default:
		return ""
	}
	return "Bearer " + strings.Join(attributes, ", ")
}

var policyName = regexp.MustCompile(`"([^"]*)"\s*;`)

// policies are the names in a RateLimit-Policy header.
func policies(header string) []string {
	var names []string
	for _, found := range policyName.FindAllStringSubmatch(header, -1) {
		names = append(names, found[1])
	}
	return names
}
