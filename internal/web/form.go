package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
)

// Form is the parameters of a request. A parameter without a value counts as
// omitted (RFC 6749 section 3.1).
type Form struct {
	Values map[string]string // of a repeated parameter: its first value
	// Repeated has the parameters that came more than once, with those of their
	// values that are not empty.
	Repeated map[string][]string
	// Blank has the parameters that were sent without a value, for the few
	// readers to whom that is not the same as omitting them.
	Blank map[string]bool
}

// Get returns a parameter's value, or "".
func (f Form) Get(name string) string { return f.Values[name] }

// All returns every value of a parameter, for the few that may be repeated.
func (f Form) All(name string) []string {
	if all, ok := f.Repeated[name]; ok {
		return all
	}
	if v, ok := f.Values[name]; ok {
		return []string{v}
	}
	return nil
}

// ReadForm reads a POST body (TK-01 to TK-03): application/x-www-form-urlencoded
// in UTF-8, no query string, no repeated parameter but resource. Anything else
// is invalid_request, a body over the edge's limit 413.
func ReadForm(w http.ResponseWriter, r *http.Request) (Form, error) {
	f, err := readBody(w, r)
	if err != nil {
		return Form{}, err
	}
	for name := range f.Repeated {
		if name != "resource" {
			return Form{}, invalid("A parameter is repeated.")
		}
	}
	return f, nil
}

// ReadQueryOrForm reads the query of a GET and the body of a POST. Repeated
// parameters are reported, not refused: what they mean depends on which one it
// is (AZ-03).
func ReadQueryOrForm(w http.ResponseWriter, r *http.Request) (Form, error) {
	if r.Method == http.MethodPost {
		return readBody(w, r)
	}
	return parse(r.URL.RawQuery)
}

func readBody(w http.ResponseWriter, r *http.Request) (Form, error) {
	switch {
	case r.Method != http.MethodPost:
		return Form{}, notAllowed().With("Allow", "POST")
	case r.URL.RawQuery != "" || r.URL.ForceQuery:
		return Form{}, invalid("Parameters belong in the request body, not in the URL.")
	case !isForm(r.Header):
		return Form{}, invalid("The request body must be application/x-www-form-urlencoded in UTF-8.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, DefaultMaxBody))
	if tooMuch := (*http.MaxBytesError)(nil); errors.As(err, &tooMuch) {
		return Form{}, tooLarge(err)
	}
	if err != nil {
		return Form{}, Refuse(http.StatusBadRequest, "invalid_request", "The request body could not be read.", err)
	}
	return parse(string(body))
}

// isForm reports whether the body is what OAuth asks for, uncompressed.
func isForm(h http.Header) bool {
	if len(h["Content-Type"]) != 1 || h.Get("Content-Encoding") != "" {
		return false
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, given := params["charset"]
	return err == nil && kind == "application/x-www-form-urlencoded" && (!given || strings.EqualFold(charset, "utf-8"))
}

func invalid(public string) *Error {
	return Refuse(http.StatusBadRequest, "invalid_request", public, nil)
}
