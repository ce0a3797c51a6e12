package manage

import (
	"bytes"
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
)

// call is one request on its way.
type call struct {
	api   *API
	op    Operation
	who   Principal
	cred  Credential
	media string     // the form of the answer
	query url.Values // as sent, each parameter once
	path  string
	body  []byte
	// problem is the first thing that was refused.
	problem error
}

type callKey struct{}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// refuse notes why there is no answer; the first reason stands.
func (c *call) refuse(err error) {
	if c.problem == nil {
		c.problem = err
	}
}

// recorder holds an answer back until it is whole: a refusal, or a failure to
// encode, leaves nothing of it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
	stream func(http.ResponseWriter, *http.Request) error
}

func newRecorder() *recorder { return &recorder{header: http.Header{}} }

// Header is the answer's.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader notes the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write adds to the body.
func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(p)
}

// catchHumaError keeps huma's own refusals, which repeat input and internal errors,
// and lets the answer be ours.
func catchHumaError(ctx huma.Context, _ string, v any) (any, error) {
	if model, ok := v.(*huma.ErrorModel); ok {
		c := callFrom(ctx.Context())
		c.refuse(c.plain(model))
	}
	return v, nil
}
