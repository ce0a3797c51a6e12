package oidcconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/oauth2"

	"github.com/watchgate/watchgate/idp"
)

// maxIDToken bounds an ID token, in bytes.
const maxIDToken = 64 << 10

// upstreamTokens are what the token endpoint gave. They live as long as the
// callback (FO-24).
type upstreamTokens struct {
	access  *oauth2.Token
	idToken string
}

// exchange redeems the code with its PKCE verifier.
func (c *connector) exchange(ctx context.Context, p *provider, code string, cb idp.UpstreamCallback) (upstreamTokens, error) {
	got, err := c.redeem(ctx, p, code, cb)
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		// The body that the library quotes may hold anything: it is not kept.
		return upstreamTokens{}, invalid("token endpoint: status %d, error %q", refused.Response.StatusCode, errorCode(refused.ErrorCode))
	case err != nil && !reached(err):
		return upstreamTokens{}, unavailable("token endpoint", brief(err))
	case err != nil:
		return upstreamTokens{}, invalid("token endpoint: the answer is no token response")
	}
	idToken, _ := got.Extra("id_token").(string)
	if idToken == "" || len(idToken) > maxIDToken {
		return upstreamTokens{}, invalid("token endpoint: no ID token, or one that is too long")
	}
	return upstreamTokens{access: got, idToken: idToken}, nil
}

// responseError is what an error parameter means. Only its code is kept.
func responseError(code string) error {
	switch code {
	case "access_denied":
		return idp.ErrUpstreamDenied
	case "temporarily_unavailable":
		return fmt.Errorf("%w: it says so", idp.ErrUpstreamUnavailable)
	}
	return fmt.Errorf("%w: %s", idp.ErrUpstreamFailed, errorCode(code))
}

// errorCode keeps of an error code what a log line can hold.
func errorCode(code string) string {
	clean := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			return r
		}
		return -1
	}, code)
	return clean[:min(len(clean), 64)]
}

// outages turns answers of 500 and more into errors of the way there, so that
// every endpoint of a provider that is down looks the same to us.
type outages struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (o outages) RoundTrip(req *http.Request) (*http.Response, error) {
	next := o.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(req)
	if err != nil || resp.StatusCode < http.StatusInternalServerError {
		return resp, err
	}
	io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10))
	resp.Body.Close()
	return nil, fmt.Errorf("status %d", resp.StatusCode)
}
