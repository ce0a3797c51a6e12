package provider

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"
)

const (
	maxField  = 2048 // bytes of an answer
	maxSecret = 1024
)

var (
	guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// visible is what a client id or a secret is made of at every provider (RFC 6749 appendix A, without the blank, which comes from copying).
	visible = regexp.MustCompile(`^[\x21-\x7e]+$`)
	// word is what an id in a path is made of.
	word = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// form reads answers, and collects what is wrong with them.
type form struct {
	preset   Preset
	fields   map[string]string
	problems []Problem
}

func (f *form) problem(field, format string, args ...any) {
	f.problems = append(f.problems, Problem{Field: field, Text: fmt.Sprintf(format, args...)})
}

// bare takes away the blanks that come along when something is copied.
func bare(s string) string { return strings.Trim(s, " \t\r\n\u00a0\u200b\ufeff") }

// clean takes away the quotation marks, too, which can belong to a secret only.
func clean(s string) string { return bare(strings.Trim(bare(s), "\"'<>`")) }

// value is an answer; a missing one is a problem unless its field is optional.
func (f *form) value(name string) string {
	i := slices.IndexFunc(f.preset.Fields, func(known Field) bool { return known.Name == name })
	field, v := f.preset.Fields[i], clean(f.fields[name])
	switch {
	case len(v) > maxField:
		f.problem(name, "%s is too long.", field.Label)
		return ""
	case v == "" && !field.Optional:
		f.problem(name, "%s is missing. You find it at: %s.", field.Label, field.Where)
	}
	return v
}

// clientID is the app's id there.
func (f *form) clientID() string {
	id := f.value(FieldClientID)
	if id != "" && (!visible.MatchString(id) || len(id) > 255) {
		f.problem(FieldClientID, "A client ID has no blanks and only plain characters. Copy it again.")
	}
	return id
}

// secret is looked at, and kept by nobody here.
func (f *form) secret() string {
	f.value(FieldClientSecret)
	secret := Secret(f.fields)
	if secret != "" && (!visible.MatchString(secret) || len(secret) > maxSecret) {
		f.problem(FieldClientSecret, "The client secret has a blank or another character that no secret has. Copy it again.")
	}
	return secret
}

// host reads a domain: alone, or as the address that a browser shows. rest is the path
// that came with it, without slashes around it.
func (f *form) host(name string) (host, rest string) {
	v := f.value(name)
	if v == "" {
		return "", ""
	}
	if scheme, _, ok := strings.Cut(v, "://"); !ok {
		v = "https://" + v
	} else if scheme = strings.ToLower(scheme); scheme != "https" && scheme != "http" {
		f.problem(name, "%s:// is no address of a web site. Enter the domain alone, such as %s.", scheme, f.example(name))
		return "", ""
	}
	u, err := url.Parse(v)
	if err != nil || u.User != nil || u.Port() != "" || u.RawQuery != "" || u.Fragment != "" || !isDomain(u.Hostname()) {
		f.problem(name, "This is no domain. Enter it alone, such as %s.", f.example(name))
		return "", ""
	}
	return strings.ToLower(u.Hostname()), strings.Trim(u.Path, "/")
}

func (f *form) example(name string) string {
	for _, field := range f.preset.Fields {
		if field.Name == name {
			return field.Example
		}
	}
	return ""
}

// isDomain reports whether s is a name of two labels or more, and no address.
func isDomain(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return false
	}
	ascii, err := idna.Lookup.ToASCII(s)
	return err == nil && strings.Contains(strings.Trim(ascii, "."), ".") && len(ascii) <= 253
}

// date reads the day on which a secret ends, as the provider shows it.
func (f *form) date(name string) time.Time {
	v := f.value(name)
	if v == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, v); err == nil {
			return at.UTC()
		}
	}
	f.problem(name, "Write the day as year-month-day, such as 2027-03-14: other orders are read differently here and there.")
	return time.Time{}
}
