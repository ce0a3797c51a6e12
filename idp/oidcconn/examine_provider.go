package oidcconn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/outbound"
	"github.com/watchgate/watchgate/storage"
)

// keys fetches the key set and looks for keys that can sign as the connection accepts.
func (e *examination) keys(ctx context.Context) {
	if err := checkURL(e.doc.JWKSURI, e.c.cfg.AllowLoopbackHTTP); err != nil {
		e.add("keys", idp.VerdictFailed, "The document's jwks_uri is %s: %v.", quote(e.doc.JWKSURI), err)
		return
	}
	accepted := strings.Join(e.c.algs, ", ")
	if algs := e.doc.SigningAlgs; len(algs) > 0 && !slices.ContainsFunc(algs, func(a string) bool { return slices.Contains(e.c.algs, a) }) {
		e.add("keys", idp.VerdictFailed, "The provider signs ID tokens with %s; the connection accepts %s.", quote(strings.Join(algs, ", ")), accepted)
		return
	}
	keys, err := newKeySet(e.c.cfg, e.doc.JWKSURI, e.c.algs).download(ctx)
	usable := slices.DeleteFunc(keys, func(k publicKey) bool { return !usableFor(k, e.c.algs) })
	switch {
	case errors.Is(err, outbound.ErrRefused):
		e.add("keys", idp.VerdictFailed, "The keys are at %s, which is no public https address.", quote(e.doc.JWKSURI))
	case err != nil:
		e.add("keys", idp.VerdictFailed, "The keys at %s could not be read.", quote(e.doc.JWKSURI))
	case len(usable) == 0:
		e.add("keys", idp.VerdictFailed, "None of the keys at %s can sign with %s.", quote(e.doc.JWKSURI), accepted)
	default:
		e.add("keys", idp.VerdictOK, "%s at %s can sign with %s.", counted(len(usable), "key"), quote(e.doc.JWKSURI), accepted)
	}
}

// counted is a number of things: 1 key, 2 keys.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func usableFor(k publicKey, algs []string) bool {
	return slices.ContainsFunc(algs, func(a string) bool {
		return fits(k.Key, a) && (k.Algorithm == "" || k.Algorithm == a)
	})
}

// time compares clocks: tokens that come from more than a leeway away are refused.
func (e *examination) time() {
	ahead := e.clock.Round(time.Second)
	word := "ahead of"
	if ahead < 0 {
		ahead, word = -ahead, "behind"
	}
	switch {
	case !e.clockKnown:
		e.add("clock", idp.VerdictUnknown, "The provider does not say what time it is there.")
	case ahead > Leeway:
		e.add("clock", idp.VerdictFailed, "The provider's clock is %s %s ours. %s is allowed.", ahead, word, Leeway)
	case ahead > slowClock:
		e.add("clock", idp.VerdictWarning, "The provider's clock is %s %s ours. %s is allowed.", ahead, word, Leeway)
	default:
		e.add("clock", idp.VerdictOK, "The provider's clock and ours agree.")
	}
}

// endpoints reports whether those that sign-in needs may be used (FO-22).
func (e *examination) endpoints() bool {
	if err := e.doc.check(e.c.cfg.AllowLoopbackHTTP); err != nil {
		bad := []string{}
		for _, at := range e.doc.addresses() {
			if (at.url != "" || at.needed) && checkURL(at.url, e.c.cfg.AllowLoopbackHTTP) != nil {
				bad = append(bad, at.name+" "+quote(at.url))
			}
		}
		e.add("endpoints", idp.VerdictFailed, "Not an https address: %s.", strings.Join(bad, ", "))
		return false
	}
	all := "Every endpoint is an https address."
	if slices.ContainsFunc(e.doc.addresses(), func(at address) bool { return strings.HasPrefix(at.url, "http:") }) {
		all = "Every endpoint is an https address, or http on this machine."
	}
	e.add("endpoints", idp.VerdictOK, "%s", all)
	return true
}

func (e *examination) scopes() {
	if len(e.doc.Scopes) == 0 {
		e.add("scopes", idp.VerdictUnknown, "The provider does not say which scopes it knows.")
		return
	}
	// Those that the product adds are another resource's, which this document is silent of.
	missing := slices.DeleteFunc(slices.Clone(e.c.con.Scopes), func(s string) bool { return slices.Contains(e.doc.Scopes, s) })
	if len(missing) > 0 {
		e.add("scopes", idp.VerdictWarning, "The provider does not list the scope %s, which the connection asks for.", quote(strings.Join(missing, " ")))
		return
	}
	e.add("scopes", idp.VerdictOK, "The provider knows the scopes %s.", strings.Join(e.c.scopes(), ", "))
}

func (e *examination) pkce() {
	switch {
	case slices.Contains(e.doc.PKCE, "S256"):
		e.add("pkce", idp.VerdictOK, "The provider knows PKCE with S256.")
	case len(e.doc.PKCE) > 0:
		e.add("pkce", idp.VerdictFailed, "The provider knows PKCE with %s only. Watchgate always uses S256.", quote(strings.Join(e.doc.PKCE, ", ")))
	case e.c.con.Preset == storage.PresetEntra:
		e.add("pkce", idp.VerdictOK, "Microsoft Entra accepts PKCE with S256, though its document does not say so.")
	default:
		e.add("pkce", idp.VerdictUnknown, "The provider does not say whether it knows PKCE with S256. One that does not ignores it.")
	}
}

func (e *examination) responseTypes() {
	switch {
	case slices.Contains(e.doc.ResponseTypes, "code"):
		e.add("response_types", idp.VerdictOK, "The provider has the authorization code flow.")
	case len(e.doc.ResponseTypes) == 0:
		e.add("response_types", idp.VerdictUnknown, "The provider does not say which flows it has.")
	default:
		e.add("response_types", idp.VerdictFailed, "The provider does not have the authorization code flow.")
	}
}

// secrets sends a made-up code with each secret: a provider that knows us complains of
// the code, and one that does not, of us.
func (e *examination) secrets(ctx context.Context) {
	for _, s := range e.c.secrets {
		switch s.name {
		case "next_secret":
			e.secret(ctx, s.value, s.name, "the next client secret")
		case "client_secret":
			e.secret(ctx, s.value, s.name, "the client secret")
		default:
			e.secret(ctx, "", "client_secret", "a connection without a client secret")
		}
	}
}

func (e *examination) secret(ctx context.Context, value, check, what string) {
	p := &provider{meta: e.doc.metadata, oidc: (&oidc.ProviderConfig{
		IssuerURL: e.doc.Issuer, AuthURL: e.doc.AuthorizationEndpoint, TokenURL: e.doc.TokenEndpoint,
	}).NewProvider(ctx)}
	_, err := e.c.oauth2(p, value, e.redirectURI).Exchange(oidc.ClientContext(ctx, e.c.cfg.Client),
		"watchgate-made-up-"+rand.Text(), oauth2.VerifierOption(oauth2.GenerateVerifier()))
	var refused *oauth2.RetrieveError
	switch {
	case isUnknownClient(err):
		e.add(check, idp.VerdictFailed, "The provider does not accept %s, or does not know the client ID.", what)
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" && e.c.quirks.codeFirst:
		e.add(check, idp.VerdictUnknown, "The provider did not complain of %s, but may not have looked at it. A trial sign-in tells.", what)
	case errors.As(err, &refused) && refused.ErrorCode == "invalid_grant":
		e.add(check, idp.VerdictOK, "The provider accepts %s.", what)
	case errors.As(err, &refused):
		e.add(check, idp.VerdictUnknown, "The provider answered with status %d, error %q. A trial sign-in tells more.", refused.Response.StatusCode, errorCode(refused.ErrorCode))
	default:
		e.add(check, idp.VerdictUnknown, "The token endpoint does not answer as it should. A trial sign-in tells more.")
	}
}
