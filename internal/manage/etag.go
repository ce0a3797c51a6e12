package manage

import (
	"strconv"
	"strings"
)

// ETag is the strong validator of an object's version (RFC 9110 section 8.8.3).
func ETag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// suffixLD keeps the two forms of an answer apart: a strong validator is of one
// representation.
const suffixLD = "-ld"

// tag marks the ETag of an answer with its form.
func (r *recorder) tag(media string) {
	if tag := r.header.Get("ETag"); tag != "" && media == mediaLD {
		r.header.Set("ETag", strings.TrimSuffix(tag, `"`)+suffixLD+`"`)
	}
}

// IfMatch is the version that a change is meant for. Embed it in an operation's
// input.
type IfMatch struct {
	Tag string `header:"If-Match" maxLength:"64" doc:"The ETag of the version that is meant: the change is made only if it is still that one." example:"\"3\""`
}

// Version is the version that is meant, 0 when any is: no header, or *. A tag of
// ours in either form will do; any other, a weak one included, matches nothing
// (RFC 9110 section 13.1.1): PreconditionFailed. InvalidRequest: more than one.
func (m IfMatch) Version() (int64, error) {
	if m.Tag == "" || m.Tag == "*" {
		return 0, nil
	}
	if strings.Contains(m.Tag, ",") {
		return 0, badRequest("Name one version.", Field{Field: "If-Match", In: "header", Detail: "There is more than one ETag."})
	}
	inner, opened := strings.CutPrefix(strings.TrimSpace(m.Tag), `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	version, err := strconv.ParseInt(strings.TrimSuffix(inner, suffixLD), 10, 64)
	if !opened || !closed || err != nil || version <= 0 {
		return 0, m.Failed()
	}
	return version, nil
}

// Failed is the refusal of a change whose version is no longer there: 412 when one
// was named, 409 otherwise.
func (m IfMatch) Failed() error {
	if m.Tag == "" || m.Tag == "*" {
		return Refuse(Conflict, "")
	}
	return Refuse(PreconditionFailed, "", Field{Field: "If-Match", In: "header", Detail: "It is another version now."})
}
