package manage

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The media types that are read and written.
const (
	mediaJSON   = "application/json"
	mediaLD     = "application/ld+json"
	mediaPatch  = "application/merge-patch+json"
	mediaEvents = "text/event-stream"
)

const (
	maxBody  = 32 << 10 // bytes of a request's body
	maxDepth = 16       // of arrays and objects in it
)

// once are headers that say nothing when they come twice.
var once = []string{"Accept", "Content-Type", "If-Match", "Idempotency-Key", "Last-Event-ID"}

// read checks the request's form, and reads it: step 3.
func (rt *route) read(c *call, r *http.Request) error {
	for name := range c.query {
		if !rt.query[name] {
			return badRequest("There is no such parameter here.", Field{Field: name, In: "query", Detail: "It is not known here."})
		}
	}
	for _, name := range once {
		if len(r.Header.Values(name)) > 1 && name != "Accept" {
			return badRequest("A header came more than once.", Field{Field: name, In: "header", Detail: "Send it once."})
		}
	}
	if err := rt.negotiate(c, r.Header.Values("Accept")); err != nil {
		return err
	}
	return rt.readBody(c, r)
}

// parseQuery reads a query strictly: no bad escapes, nothing twice.
func parseQuery(raw string) (url.Values, error) {
	query := url.Values{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, errName := url.QueryUnescape(rawName)
		value, errValue := url.QueryUnescape(rawValue)
		if errName != nil || errValue != nil || strings.Contains(pair, ";") || !utf8.ValidString(name+value) || strings.ContainsRune(name+value, 0) {
			return nil, badRequest("A parameter of the URL is not correctly encoded.")
		}
		if query.Has(name) {
			return nil, badRequest("A parameter came more than once.", Field{Field: name, In: "query", Detail: "Send it once."})
		}
		query.Set(name, value)
	}
	return query, nil
}

// negotiate decides the form of the answer before anything is done for it.
func (rt *route) negotiate(c *call, accept []string) error {
	offered := []string{mediaJSON, mediaLD}
	if rt.op.Stream {
		offered = []string{mediaEvents}
	}
	c.media = offered[0]
	if len(accept) == 0 {
		return nil
	}
	best := ""
	bestQ := 0.0
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, q := weighed(part)
		for _, offer := range offered {
			if covers(media, offer) && q > bestQ {
				best, bestQ = offer, q
			}
		}
	}
	if best == "" {
		return Refuse(NotAcceptable, "Answers here are "+strings.Join(offered, " or ")+".", Field{Field: "Accept", In: "header", Detail: "None of these types is offered."})
	}
	c.media = best
	return nil
}

// weighed takes one part of an Accept header apart (RFC 9110 section 12.5.1).
func weighed(part string) (media string, q float64) {
	media, params, err := mime.ParseMediaType(part)
	if err != nil {
		return "", 0
	}
	q = 1
	if given, ok := params["q"]; ok {
		if q, err = strconv.ParseFloat(given, 64); err != nil {
			return "", 0
		}
	}
	return media, q
}

func covers(accepted, offer string) bool {
	group, _, _ := strings.Cut(offer, "/")
	return accepted == offer || accepted == "*/*" || accepted == group+"/*"
}

// readBody reads one JSON value, or makes sure that there is none.
func (rt *route) readBody(c *call, r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	var tooMuch *http.MaxBytesError
	switch {
	case errors.As(err, &tooMuch) || len(body) > maxBody:
		return Refuse(PayloadTooLarge, "The body may have "+strconv.Itoa(maxBody)+" bytes.")
	case err != nil:
		return &Problem{Kind: InvalidRequest, Detail: "The body could not be read.", cause: err}
	case len(rt.media) == 0 && len(body) > 0:
		return badRequest("There is nothing to send in a body here.")
	case len(body) == 0:
		return nil // whether a body is needed, the operation's types say
	}
	if err := rt.checkMedia(r.Header); err != nil {
		return err
	}
	c.body = body
	return checkJSON(body)
}

// checkMedia refuses a body that is not said to be JSON in UTF-8.
func (rt *route) checkMedia(h http.Header) error {
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, given := params["charset"]
	if err == nil && slices.Contains(rt.media, media) && (!given || strings.EqualFold(charset, "utf-8")) && h.Get("Content-Encoding") == "" {
		return nil
	}
	return Refuse(UnsupportedMediaType, "The body has to be "+strings.Join(rt.media, " or ")+", in UTF-8 and not compressed.",
		Field{Field: "Content-Type", In: "header", Detail: "This type is not read here."})
}

// checkJSON accepts exactly one JSON value (RFC 8259) that all readers understand
// alike: in UTF-8, no name twice in an object, not deeper than maxDepth.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) {
		return badRequest("The body is not UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := checkValue(dec, "", 0); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("The body has more than one JSON value.")
	}
	return nil
}

func checkValue(dec *json.Decoder, at string, depth int) error {
	token, err := dec.Token()
	switch {
	case err != nil:
		return badRequest("The body is not JSON: look near byte " + strconv.FormatInt(dec.InputOffset(), 10) + ".")
	case depth > maxDepth:
		return badRequest("The body is nested too deeply.")
	case token == json.Delim('{'):
		return checkObject(dec, at, depth)
	case token == json.Delim('['):
		return checkArray(dec, at, depth)
	}
	return nil
}

func checkObject(dec *json.Decoder, at string, depth int) error {
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		name, isName := token.(string)
		if err != nil || !isName {
			return badRequest("The body is not JSON: look near byte " + strconv.FormatInt(dec.InputOffset(), 10) + ".")
		}
		way := within(at, name)
		if seen[name] {
			return badRequest("A field came more than once.", Field{Field: way, Detail: "It is there twice."})
		}
		seen[name] = true
		if err := checkValue(dec, way, depth+1); err != nil {
			return err
		}
	}
	return closed(dec)
}

func checkArray(dec *json.Decoder, at string, depth int) error {
	for i := 0; dec.More(); i++ {
		if err := checkValue(dec, at+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
			return err
		}
	}
	return closed(dec)
}

func closed(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return badRequest("The body is not JSON: it ends too early.")
	}
	return nil
}

// within is the way to a field of an object.
func within(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

func unmarshalJSON(data []byte, v any) error { return json.Unmarshal(data, v) }

func marshalJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
