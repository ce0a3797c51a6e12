package oidcconn

import (
	"errors"
	"net"
	"net/url"
)

var errURL = errors.New("not an absolute https URL")

// checkURL accepts an absolute https URL without user information and fragment
// (FO-22), and plain http on loopback when that is allowed. javascript: and its
// like fail here. Private addresses are refused by the guarded client, which
// sees what the name resolves to.
func checkURL(raw string, loopbackHTTP bool) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return errURL
	}
	if u.Scheme == "https" || (loopbackHTTP && u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil
	}
	return errURL
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
