package oidcconn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/watchgate/watchgate/idp"
	presets "github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/internal/outbound"
)

const (
	maxDocument  = 256 << 10 // bytes of a discovery document
	maxQuoted    = 200       // bytes of what a provider wrote that are shown
	slowClock    = 20 * time.Second
	secretNotice = 30 * 24 * time.Hour
)

// document is what an examination looks at in a discovery document, beside what a
// sign-in does.
type document struct {
	metadata
	Scopes        []string `json:"scopes_supported"`
	ResponseTypes []string `json:"response_types_supported"`
	PKCE          []string `json:"code_challenge_methods_supported"`
	SigningAlgs   []string `json:"id_token_signing_alg_values_supported"`
}

// examination collects findings about one connection.
type examination struct {
	c           *connector
	doc         document
	clock       time.Duration // how far the provider's is ahead
	clockKnown  bool
	findings    []idp.Finding
	redirectURI string
}

// Examine implements [idp.Examiner]. It reads the provider's document and keys afresh,
// and sends a made-up code to the token endpoint to learn whether the client secret is
// accepted; nothing else is sent, and nobody's account is touched.
func (c *connector) Examine(ctx context.Context, redirectURI string) []idp.Finding {
	e := &examination{c: c, redirectURI: redirectURI}
	ctx, cancel := context.WithTimeout(ctx, 2*fetchTimeout)
	defer cancel()
	why := c.whyUnusable()
	if why != "" {
		e.add("settings", idp.VerdictFailed, "This connection cannot be used: %s.", why)
	}
	if e.read(ctx) {
		e.provider(ctx, why == "")
	}
	e.expiry()
	e.redirect()
	return e.findings
}

// provider looks at what the document says. Our secret goes to the endpoint of this
// connection's issuer alone, and to none that another one names (FO-23).
func (e *examination) provider(ctx context.Context, trusted bool) {
	trusted = e.issuer() && trusted
	e.keys(ctx)
	e.time()
	trusted = e.endpoints() && trusted
	e.scopes()
	e.pkce()
	e.responseTypes()
	if trusted {
		e.secrets(ctx)
	}
}

// add notes a finding, with where to look when it is not well.
func (e *examination) add(check string, verdict idp.Verdict, format string, args ...any) {
	f := idp.Finding{Check: check, Verdict: verdict, Detail: fmt.Sprintf(format, args...)}
	if verdict != idp.VerdictOK {
		f.Remedy = presets.Remedy(e.c.con.Preset, check)
	}
	e.findings = append(e.findings, f)
}

// read fetches the discovery document.
func (e *examination) read(ctx context.Context) bool {
	address := strings.TrimSuffix(e.c.con.Issuer, "/") + "/.well-known/openid-configuration"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		e.add("discovery", idp.VerdictFailed, "The issuer is no address.")
		return false
	}
	resp, err := e.c.cfg.Client.Do(req)
	if err != nil {
		e.add("discovery", idp.VerdictFailed, "%s", unreached(address, err))
		return false
	}
	defer resp.Body.Close()
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		e.clock, e.clockKnown = at.Sub(e.c.cfg.Now()), true
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	switch {
	case resp.StatusCode != http.StatusOK:
		e.add("discovery", idp.VerdictFailed, "%s answers with status %d, and not with a document.", address, resp.StatusCode)
	case err != nil || len(body) > maxDocument:
		e.add("discovery", idp.VerdictFailed, "%s sends more than %d bytes, or stops in the middle.", address, maxDocument)
	case json.Unmarshal(body, &e.doc) != nil:
		e.add("discovery", idp.VerdictFailed, "What %s sends is no OpenID Connect document.", address)
	default:
		e.add("discovery", idp.VerdictOK, "%s answers.", address)
		return true
	}
	return false
}

// unreached says why nothing came back, without what an address resolves to (NW-07).
func unreached(address string, err error) string {
	switch {
	case errors.Is(err, outbound.ErrRefused):
		return address + " is not a public https address, and Watchgate goes to no other."
	case errors.Is(err, errRedirect):
		return address + " redirects elsewhere. Watchgate does not follow."
	}
	return address + " does not answer."
}

// issuer compares byte for byte, and says what differs (FO-01).
func (e *examination) issuer() bool {
	want, got := e.c.con.Issuer, e.doc.Issuer
	if e.c.namesIssuer(got) {
		e.add("issuer", idp.VerdictOK, "The document names the issuer %s.", quote(got))
		return true
	}
	e.add("issuer", idp.VerdictFailed, "The connection has the issuer %s, the provider's document says %s: %s.", quote(want), quote(got), difference(want, got))
	return false
}

// difference is what differs between two issuers, in words.
func difference(want, got string) string {
	http, https := "http://", "https://"
	switch {
	case got == "":
		return "it names none"
	case strings.Contains(got, tenantPlaceholder):
		return "it is the document of all directories"
	case strings.TrimRight(want, "/") == strings.TrimRight(got, "/") && strings.HasSuffix(got, "/"):
		return "the provider's ends with a slash"
	case strings.TrimRight(want, "/") == strings.TrimRight(got, "/"):
		return "the connection's ends with a slash"
	case strings.Replace(want, https, http, 1) == got || strings.Replace(want, http, https, 1) == got:
		return "one begins with http:// and the other with https://"
	case strings.EqualFold(want, got):
		return "upper and lower case differ"
	case strings.HasPrefix(got, strings.TrimSuffix(want, "/")+"/"):
		return "the provider's goes on after the connection's"
	case strings.HasPrefix(want, strings.TrimSuffix(got, "/")+"/"):
		return "the connection's goes on after the provider's"
	}
	return "they are two different addresses"
}

// quote shows what a provider wrote: cut, and with nothing that a terminal would obey.
func quote(s string) string {
	if len(s) > maxQuoted {
		s = s[:maxQuoted] + "..."
	}
	return fmt.Sprintf("%q", s)
}

// expiry looks at the day on which the administrator said that the secret ends.
func (e *examination) expiry() {
	ends, left := e.c.con.SecretExpiresAt, e.c.con.SecretExpiresAt.Sub(e.c.cfg.Now())
	const day = 24 * time.Hour
	switch {
	case len(e.c.con.SealedSecret) == 0:
	case ends.IsZero() && presets.SecretsLast(e.c.con.Preset):
	case ends.IsZero():
		e.findings = append(e.findings, idp.Finding{
			Check: "secret_expiry", Verdict: idp.VerdictUnknown, Detail: "It is not known whether the client secret ends, and when.",
			Remedy: "If it ends, enter the day: the owners are told in time.",
		})
	case left <= 0:
		e.add("secret_expiry", idp.VerdictFailed, "The client secret ended on %s.", ends.Format(time.DateOnly))
	case left < secretNotice:
		e.add("secret_expiry", idp.VerdictWarning, "The client secret ends on %s, in %s.", ends.Format(time.DateOnly), counted(int(left/day), "day"))
	default:
		e.add("secret_expiry", idp.VerdictOK, "The client secret ends on %s.", ends.Format(time.DateOnly))
	}
}

// redirect tells what nobody can find out from here.
func (e *examination) redirect() {
	e.add("redirect_uri", idp.VerdictUnknown, "Only a trial sign-in can tell whether the provider knows the redirect URI %s.", e.redirectURI)
}
