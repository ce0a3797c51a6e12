package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/watchgate/watchgate/internal/origin"
)

// Handler answers a request, or returns why it does not. It writes nothing
// before it returns an error.
type Handler func(w http.ResponseWriter, r *http.Request) error

// ErrorWriter writes a refusal: status and body. The edge has already set the
// refusal's own headers.
type ErrorWriter func(w http.ResponseWriter, r *http.Request, e *Error)

// WriteOAuthError writes the JSON of RFC 6749 section 5.2. The request's id is
// in X-Request-Id, so that the operator can find it in the log.
func WriteOAuthError(w http.ResponseWriter, r *http.Request, e *Error) {
	h := w.Header()
	setHeaders(h, e.Header)
	h["Cache-Control"] = noStore
	h.Set("Pragma", "no-cache")
	if id := origin.From(r.Context()).RequestID; id != "" {
		h.Set("X-Request-Id", id)
	}
	body := struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{printable(e.Code), printable(e.Public)}
	// Two strings always encode, and a client that went away needs no answer.
	_ = WriteJSON(w, e.Status, body)
}

func setHeaders(h, more http.Header) {
	for name, values := range more {
		h[http.CanonicalHeaderKey(name)] = values
	}
}

// WriteJSON writes v with the status. Nothing is written when v cannot be
// encoded. Unless the handler decided otherwise, the answer is not stored.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	h := w.Header()
	h["Content-Type"] = jsonType
	if h.Get("Cache-Control") == "" {
		h["Cache-Control"] = noStore
	}
	w.WriteHeader(status)
	// Whoever went away before the answer was written needs no second one.
	_, _ = w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n")))
	return nil
}

// printable keeps the characters that RFC 6749 section 5.2 allows in error and
// error_description.
func printable(s string) string {
	for i := range len(s) {
		if !allowed(s[i]) {
			return cleaned(s)
		}
	}
	return s
}

func allowed(c byte) bool { return c >= 0x20 && c <= 0x7e && c != '"' && c != '\\' }

func cleaned(s string) string {
	out := []byte(s)
	for i, c := range out {
		if !allowed(c) {
			out[i] = ' '
		}
	}
	return string(out)
}
