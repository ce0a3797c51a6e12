package web

import (
	"net/http"
	"strings"
	"unicode/utf8"
)

// ownRules are the parameters that have an alphabet and an error code of their
// own, which their readers check (RFC 6749 section 3.3, RFC 7636 section 4.6): a
// NUL in them is for those readers to refuse. In all others it is refused here,
// because PostgreSQL stores none.
var ownRules = map[string]bool{"scope": true, "code_verifier": true}

// parse reads application/x-www-form-urlencoded strictly. Where url.ParseQuery
// keeps going after a bad pair, this stops: two readers of one request must not
// see different parameters.
func parse(s string) (Form, error) {
	f := Form{Values: map[string]string{}}
	if strings.Count(s, "&") >= maxParameters {
		return Form{}, Refuse(http.StatusRequestEntityTooLarge, "invalid_request", "The request has too many parameters.", nil)
	}
	if strings.Contains(s, ";") {
		return Form{}, invalid("A semicolon separates no parameters.")
	}
	seen := map[string]int{}
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		name, value, ok := decodePair(pair)
		if !ok {
			return Form{}, invalid("A parameter is not correctly encoded.")
		}
		seen[name]++
		f.add(name, value, seen[name])
	}
	return f, nil
}

// add notes the n-th occurrence of a parameter.
func (f *Form) add(name, value string, n int) {
	first, had := f.Values[name]
	if value == "" {
		f.blank(name)
	}
	if value != "" && !had {
		f.Values[name] = value
	}
	if n == 1 {
		return
	}
	if f.Repeated == nil {
		f.Repeated = map[string][]string{}
	}
	if n == 2 {
		f.Repeated[name] = []string{}
		if had {
			f.Repeated[name] = []string{first}
		}
	}
	if value != "" {
		f.Repeated[name] = append(f.Repeated[name], value)
	}
}

func (f *Form) blank(name string) {
	if f.Blank == nil {
		f.Blank = map[string]bool{}
	}
	f.Blank[name] = true
}

func decodePair(pair string) (name, value string, ok bool) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, okName := decode(rawName)
	value, okValue := decode(rawValue)
	if !okName || !okValue || strings.Contains(name, "\x00") {
		return "", "", false
	}
	return name, value, ownRules[name] || !strings.Contains(value, "\x00")
}

// decode undoes form encoding. False: a bad escape, or no UTF-8.
func decode(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, utf8.ValidString(s)
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			out = append(out, ' ')
		case c != '%':
			out = append(out, c)
		case i+2 < len(s) && hex(s[i+1]) >= 0 && hex(s[i+2]) >= 0:
			out = append(out, byte(hex(s[i+1])<<4|hex(s[i+2])))
			i += 2
		default:
			return "", false
		}
	}
	return string(out), utf8.Valid(out)
}

// hex is the value of a hexadecimal digit, or -1.
func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
