package templates

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"slices"
)

// ErrUnsafeURL is what a page gives that was asked to lead to a URL which no browser should be sent to.
var ErrUnsafeURL = errors.New("templates: unsafe URL")

// localSchemes run or read something in the browser itself. The redirect matcher keeps them out of registrations; this is
// the last door before a link.
var localSchemes = []string{"javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source"}

// navigableURL accepts an absolute URL of any scheme that leaves this page: https, http on loopback, or the private-use
// schemes of native apps (RFC 8252 section 7.1).
func navigableURL(raw string) (template.URL, error) {
	u, err := parseVisible(raw)
	if err != nil {
		return "", err
	}
	if u.Scheme == "" || slices.Contains(localSchemes, u.Scheme) {
		return "", fmt.Errorf("%w: scheme", ErrUnsafeURL)
	}
	return template.URL(raw), nil
}

// webURL accepts what a form can be posted to across origins.
func webURL(raw string) (template.URL, error) {
	u, err := parseVisible(raw)
	if err != nil {
		return "", err
	}
	if (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return "", fmt.Errorf("%w: not http or https", ErrUnsafeURL)
	}
	return template.URL(raw), nil
}

// optionalURL accepts nothing, a path on this origin, or what navigableURL accepts.
func optionalURL(raw string) (template.URL, error) {
	if raw == "" || isLocalPath(raw) {
		return template.URL(raw), nil
	}
	return navigableURL(raw)
}

// isLocalPath is false for "//host" and "/\host", which browsers read as another origin.
func isLocalPath(raw string) bool {
	if _, err := parseVisible(raw); err != nil || raw[0] != '/' {
		return false
	}
	return len(raw) == 1 || (raw[1] != '/' && raw[1] != '\\')
}

// parseVisible refuses everything outside visible ASCII first: browsers drop tabs and newlines from a URL before they read
// its scheme, net/url does not.
func parseVisible(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, fmt.Errorf("%w: empty", ErrUnsafeURL)
	}
	for _, c := range []byte(raw) {
		if c <= ' ' || c >= 0x7f {
			return nil, fmt.Errorf("%w: not visible ASCII", ErrUnsafeURL)
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: malformed", ErrUnsafeURL)
	}
	return u, nil
}
