package introspect

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// quick answers a usual question from memory. False: it is unusual, or the answer
// is not remembered, or is not "active", and the question takes the way of
// [Server.introspect]; nothing has been changed.
func (s *Server) quick(r *http.Request, body []byte) (web.QuickAnswer, bool) {
	f, ok := readPlain(string(body))
	if !ok || !f.credentials(r.Header["Authorization"]) {
		return web.QuickAnswer{}, false
	}
	now := s.cfg.Now()
	about := s.subjectOf(f.token)
	if about.form == formless || !s.memory.node.Held() {
		return web.QuickAnswer{}, false
	}
	a := s.memory.knownAsker(f.caller, now)
	if a == nil {
		return web.QuickAnswer{}, false
	}
	class, ok := a.classes.given(f.scope)
	if !ok {
		return web.QuickAnswer{}, false
	}
	e := s.memory.knownAnswer(keyOf(about.ref, class), now)
	if e.none() || f.tenant != "" && !e.packed.is(f.tenant) || !s.roomy(a.rs.ID) {
		return web.QuickAnswer{}, false
	}
	if e.key != nil && !s.spendQuickly(r.Context(), a.rs.ID, e.key, question{now: now, scope: f.scope, ip: f.ip, proto: f.proto, needed: f.needed}) {
		return web.QuickAnswer{}, false
	}
	s.metrics.active[fromMemory].Inc()
	id, _ := e.packed.tenant()
	return web.QuickAnswer{Body: e.packed.answer(), Caller: string(a.rs.ID), Tenant: string(id)}, true
}

// plainForm is a form of which there is one reading, whoever reads it: known
// parameters, each once and with a value, of printable ASCII and nothing encoded.
// All but the scope, which often has a space, and a colon that need not be encoded
// and often is, as an address of IPv6 has.
type plainForm struct {
	token, tenant, scope, hint, ip, proto, needed string
	caller                                        caller
}

// readPlain reads a form, or says false.
func readPlain(body string) (f plainForm, ok bool) {
	for rest := body; rest != ""; {
		var pair string
		var more bool
		pair, rest, more = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		if more && rest == "" || !f.set(name, value) {
			return f, false
		}
	}
	return f, f.token != ""
}

// set notes a parameter; false: it is not a plain one, or came before.
func (f *plainForm) set(name, value string) bool {
	to := f.parameter(name)
	if to == nil || *to != "" {
		return false
	}
	if name == "scope" || name == "ip" || name == "scope_needed" {
		*to = decoded(value)
	} else if isPlain(value) {
		*to = value
	}
	return *to != ""
}

// parameter is where a parameter is noted, nil for one that is not known.
func (f *plainForm) parameter(name string) *string {
	switch name {
	case "token":
		return &f.token
	case "tenant":
		return &f.tenant
	case "scope":
		return &f.scope
	case "ip":
		return &f.ip
	case "proto":
		return &f.proto
	case "scope_needed":
		return &f.needed
	case "token_type_hint":
		return &f.hint
	case "client_id":
		return &f.caller.ID
	case "client_secret":
		return &f.caller.Secret
	}
	return nil
}

// isPlain reports whether s is not empty, and printable ASCII that is the same
// encoded and decoded.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '%' || c == '+' || c == ';' || c == '&' {
			return false
		}
	}
	return s != ""
}

// decoded undoes the form encoding of a parameter; "": it is more than printable
// ASCII, or too long to be worth it.
func decoded(s string) string {
	if isPlain(s) {
		return s
	}
	var buffer [maxSpelling]byte
	out := buffer[:0]
	for i := 0; i < len(s) && len(out) < maxSpelling; i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16:
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		case c == '%' || c == ';':
			return ""
		}
		if c < 0x20 || c > 0x7e {
			return ""
		}
		out = append(out, c)
	}
	if len(out) == maxSpelling {
		return ""
	}
	return string(out)
}

// unhex is the value of a hexadecimal digit, and more than 15 for what is none.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}

// maxBasic is the longest id and secret, together and with the colon between them,
// that are read here.
const maxBasic = 192

// credentials completes the caller; false: it presents none, or two, or one that
// has to be looked at more closely.
func (f *plainForm) credentials(headers []string) bool {
	c := &f.caller
	if len(headers) == 0 {
		c.Method = storage.AuthPost
		return c.ID != "" && c.Secret != ""
	}
	if len(headers) > 1 || c.ID != "" || c.Secret != "" {
		return false
	}
	*c, _ = readBasic(headers[0])
	return c.ID != ""
}

// readBasic reads Basic credentials that are the same encoded and decoded.
func readBasic(header string) (c clientauth.Credentials, ok bool) {
	encoded, ok := strings.CutPrefix(header, "Basic ")
	if !ok || base64.StdEncoding.DecodedLen(len(encoded)) > maxBasic {
		return c, false
	}
	var buffer [maxBasic]byte
	n, err := strictBase64.Decode(buffer[:], []byte(encoded))
	if err != nil {
		return c, false
	}
	id, secret, ok := strings.Cut(string(buffer[:n]), ":")
	if !ok || !isPlain(id) || !isPlain(secret) {
		return c, false
	}
	return clientauth.Credentials{ID: id, Secret: secret, Method: storage.AuthBasic, UsedHeader: true}, true
}

var strictBase64 = base64.StdEncoding.Strict()
