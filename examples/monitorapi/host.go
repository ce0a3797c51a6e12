package monitorapi

import (
	"net/http"
	"net/url"
	"strings"
)

// oneHost sends a page that is asked for under another Host to the one of base:
// a sign-in that begins on localhost has its cookie there, and its answer comes
// to 127.0.0.1. Programs are left alone: the API needs no cookie.
func oneHost(base string, next http.Handler) http.Handler {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return next
	}
	home := withoutDefaultPort(u.Scheme, u.Host)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || forPrograms(r.URL.Path) || withoutDefaultPort(u.Scheme, r.Host) == home {
			next.ServeHTTP(w, r)
			return
		}
		to := url.URL{Scheme: u.Scheme, Host: u.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, to.String(), http.StatusTemporaryRedirect)
	})
}

func forPrograms(path string) bool {
	return strings.HasPrefix(path, "/t/") || strings.HasPrefix(path, "/.well-known/")
}

// withoutDefaultPort makes the two spellings of a host one: browsers leave the
// port out where it is the scheme's own.
func withoutDefaultPort(scheme, host string) string {
	port := map[string]string{"http": ":80", "https": ":443"}[scheme]
	return strings.TrimSuffix(strings.ToLower(host), port)
}
