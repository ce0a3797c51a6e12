package manage

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/watchgate/watchgate/internal/web"
)

// described is the API's description, made once.
type described struct {
	openapi, context file
	docs             []byte
	err              error
}

// file is a document that anybody may read and keep.
type file struct {
	body []byte
	etag string
}

func newFile(body []byte) file {
	sum := sha256.Sum256(body)
	return file{body, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// serveDescription adds what anybody may read.
func (a *API) serveDescription() {
	a.mux.API("GET /v1/openapi.json", a.public("application/vnd.oai.openapi+json;version=3.1", func(d *described) file { return d.openapi }))
	a.mux.API("GET "+contextPath, a.public(mediaLD, func(d *described) file { return d.context }))
	a.mux.Page("GET /v1/docs", a.docsPage)
}

// description is made at the first request, when everything is registered.
func (a *API) description() (*described, error) {
	a.describe.Do(func() {
		document, errDocument := a.openapiDocument()
		docs, errDocs := a.renderDocs()
		a.openapi = described{openapi: newFile(document), context: newFile(a.ldContext()), docs: docs, err: errors.Join(errDocument, errDocs)}
	})
	return &a.openapi, a.openapi.err
}

// public serves a file that may be kept for five minutes and asked about by ETag.
func (a *API) public(media string, of func(*described) file) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		d, err := a.description()
		if err != nil {
			return err
		}
		f := of(d)
		h := w.Header()
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("ETag", f.etag)
		h.Set("Access-Control-Allow-Origin", "*") // tools in browsers read it; nothing in it is secret
		if matches(r.Header.Get("If-None-Match"), f.etag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		h.Set("Content-Type", media)
		_, _ = w.Write(f.body) // whoever went away needs no answer
		return nil
	}
}

// matches is the weak comparison of If-None-Match (RFC 9110 section 13.1.2).
func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == etag || tag == "*" {
			return true
		}
	}
	return false
}

// OpenAPI returns the description (OpenAPI 3.1, JSON). Nothing can be registered
// after it was asked for.
func (a *API) OpenAPI() ([]byte, error) {
	d, err := a.description()
	if err != nil {
		return nil, err
	}
	return d.openapi.body, nil
}

func (a *API) docsPage(w http.ResponseWriter, _ *http.Request) error {
	d, err := a.description()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(d.docs)
	return nil
}

func (a *API) openapiDocument() ([]byte, error) {
	body, err := json.MarshalIndent(a.huma.OpenAPI(), "", "  ")
	return append(body, '\n'), err
}
