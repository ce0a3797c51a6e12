package main

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/watchgate/watchgate/internal/npmtest"
)

// measureNPM compares introspection of one valid access token with that of npm's
// oidc-provider, which has everything in memory.
func measureNPM(ctx context.Context, b *bench) (err error) {
	asker := credentials{"bench-npm", "bench-npm-secret"}
	provider, err := npmtest.StartIntrospector(npmtest.Config{ClientID: asker.ID, ClientSecret: asker.Secret, RedirectURI: redirectURI})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, provider.Stop()) }()
	theirs, err := npmQuestion(provider, asker)
	if err != nil {
		return err
	}
	tok, err := b.site.issue()
	if err != nil {
		return err
	}
	base, err := newSide(ctx, provider.Issuer(), provider.PID(), [][]byte{theirs})
	if err != nil {
		return err
	}
	ours, err := newSide(ctx, b.site.node.URL, b.site.node.PID(), [][]byte{b.site.question(tok)})
	if err != nil {
		return err
	}
	err = race(ctx, npmRounds, base, ours)
	b.figures.compare("introspections of one token", "1/s", ours, base, lap.rate, "npm oidc-provider, in-memory adapter", "ratio >= 6")
	return err
}

// npmRounds are fewer than elsewhere: the ratio is large.
const npmRounds = 6

// npmQuestion gets a token and returns the request that asks about it.
func npmQuestion(provider *npmtest.Introspector, asker credentials) ([]byte, error) {
	w, err := dial(provider.Issuer())
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"monitor:read"}}
	tok, err := tokenFrom(w.do(post(provider.Issuer(), strings.TrimPrefix(provider.TokenURL(), provider.Issuer()), asker, form)))
	return post(provider.Issuer(), strings.TrimPrefix(provider.URL(), provider.Issuer()), asker, url.Values{"token": {tok}}), err
}
