package authz

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Limits of what a client may make us carry, in bytes.
const (
	maxOpaque = 2048 // state and nonce (AZ-17)
	maxHint   = 254  // login_hint: the longest e-mail address
	maxIDHint = 8192 // id_token_hint
)

// Response modes (OAuth 2.0 Multiple Response Type Encoding Practices, Form Post
// Response Mode).
const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

// Values of prompt (OIDC Core 1.0 section 3.1.2.1).
const (
	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	promptSelect  = "select_account"
)

var prompts = []string{promptNone, promptLogin, promptConsent, promptSelect}

// destination is where an answer goes: a redirect URI that was proven to be the
// client's, how, and with which state.
type destination struct {
	client      storage.Client
	redirectURI string
	sent        bool // redirect_uri was in the request
	mode        string
	state       string
}

// prove finds out where an answer may go. Until it has, every error is a page
// (AZ-05, AZ-06). A client that is disabled looks as one that never existed.
func prove(form web.Form, c storage.Client) (destination, *web.Error) {
	if !c.DisabledAt.IsZero() {
		return destination{}, errUnknownClient
	}
	uri := form.Get("redirect_uri")
	d := destination{client: c, redirectURI: uri, sent: uri != "", mode: modeQuery, state: form.Get("state")}
	if uri == "" && len(c.RedirectURIs) == 1 {
		d.redirectURI = c.RedirectURIs[0]
	}
	if d.redirectURI == "" || !matchRedirect(c.RedirectURIs, d.redirectURI) {
		return destination{}, errRedirect
	}
	switch form.Get("response_mode") {
	case "", modeQuery:
	case modeFormPost:
		if !c.FormPost || !strings.HasPrefix(d.redirectURI, "http") {
			return destination{}, errResponseMode
		}
		d.mode = modeFormPost
	default:
		return destination{}, errResponseMode
	}
	return d, nil
}

// What a person reads when the request cannot be answered to the client.
var (
	errUnknownClient = web.Refuse(http.StatusBadRequest, "unknown_client", "The app is not registered.", nil)
	errRedirect      = web.Refuse(http.StatusBadRequest, "redirect_uri_mismatch", "The redirect URI is not registered for the app.", nil)
	// errResponseMode has no OAuth error parameters (AZ-13).
	errResponseMode = web.Refuse(http.StatusBadRequest, "invalid_request", "The app asks for a response mode that it may not use.", nil)
	errAmbiguous    = web.Refuse(http.StatusBadRequest, "invalid_request", "The app names itself or its address more than once.", nil)
)

// identified checks that a request names one client and at most one redirect
// URI (AZ-03), and returns the client.
func identified(form web.Form) (storage.ClientID, *web.Error) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		if _, repeated := form.Repeated[name]; repeated {
			return "", errAmbiguous
		}
	}
	id := form.Get("client_id")
	if id == "" || len(id) > maxClientID {
		return "", errUnknownClient
	}
	return storage.ClientID(id), nil
}

// demand is an authorization request that is being checked.
type demand struct{ storage.AuthorizeRequest }

// parse checks every parameter of a request whose destination is proven. What it
// finds wrong goes back to the client.
func (s *Server) parse(ctx context.Context, form web.Form, d destination, now time.Time) (demand, *web.Error) {
	req := demand{AuthorizeRequest: storage.AuthorizeRequest{
		Client: d.client.ID, RedirectURI: d.redirectURI, RedirectSent: d.sent, ResponseMode: d.mode,
		State: d.state, Nonce: form.Get("nonce"), Challenge: form.Get("code_challenge"), Claims: form.Get("claims"),
		LoginHint: hint(form.Get("login_hint")), ACRValues: acrValues(form.Get("acr_values")),
		UILocale: firstLocale(form.Get("ui_locales")), At: now,
	}}
	checks := []func() *web.Error{
		func() *web.Error { return checkForm(form, d.client) },
		func() *web.Error { return checkChallenge(form, d.client) },
		func() *web.Error { return req.readScope(form.Get("scope"), d.client) },
		func() *web.Error { return req.readPrompt(form.Get("prompt")) },
		func() *web.Error { return req.readMaxAge(form.Get("max_age")) },
		func() *web.Error { return s.readResource(ctx, &req, form.All("resource")) },
		func() *web.Error { return s.readSubject(ctx, &req, form.Get("id_token_hint")) },
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return demand{}, err
		}
	}
	return req, nil
}

// checkForm is what stands for itself: repetitions, what is not supported,
// response_type, and what is too long.
func checkForm(form web.Form, c storage.Client) *web.Error {
	for name := range form.Repeated {
		if name != "resource" {
			return refusal("invalid_request", "A parameter is repeated.")
		}
	}
	switch {
	case !c.Allows(storage.GrantAuthorizationCode):
		return refusal("unauthorized_client", "")
	case form.Get("request") != "":
		return refusal("request_not_supported", "")
	case form.Get("request_uri") != "":
		return refusal("request_uri_not_supported", "")
	case form.Get("registration") != "":
		return refusal("registration_not_supported", "")
	case form.Get("response_type") == "":
		return refusal("invalid_request", "The parameter response_type is missing.")
	case form.Get("response_type") != "code":
		return refusal("unsupported_response_type", "")
	case len(form.Get("state")) > maxOpaque || len(form.Get("nonce")) > maxOpaque:
		return refusal("invalid_request", "state and nonce may have 2048 bytes at most.")
	}
	return nil
}

// checkChallenge is RFC 7636 with S256 alone (AZ-14): a missing method means
// plain, which does not exist here.
func checkChallenge(form web.Form, c storage.Client) *web.Error {
	challenge, method := form.Get("code_challenge"), form.Get("code_challenge_method")
	if challenge == "" && method == "" && c.PKCEOptional && !c.Public() {
		return nil
	}
	switch {
	case challenge == "":
		return refusal("invalid_request", "The parameter code_challenge is missing.")
	case method != "S256":
		return refusal("invalid_request", "code_challenge_method must be S256.")
	case len(challenge) != 43 || strings.ContainsFunc(challenge, notBase64URL):
		return refusal("invalid_request", "code_challenge must be 43 characters of base64url.")
	}
	return nil
}

func notBase64URL(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

func (d *demand) readScope(param string, c storage.Client) *web.Error {
	scopes, ok := authorizeScopes(param, c)
	if !ok {
		return refusal("invalid_scope", "")
	}
	d.Scopes = scopes
	return nil
}

func (d *demand) readPrompt(param string) *web.Error {
	d.Prompt = strings.Fields(param)
	switch {
	case !subset(d.Prompt, prompts):
		return refusal("invalid_request", "prompt has a value that is not supported.")
	case slices.Contains(d.Prompt, promptNone) && len(d.Prompt) > 1:
		return refusal("invalid_request", "prompt=none stands alone.")
	}
	return nil
}

func (d *demand) readMaxAge(param string) *web.Error {
	if param == "" {
		return nil
	}
	seconds, err := strconv.ParseUint(param, 10, 31)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return refusal("invalid_request", "max_age must be a number of seconds.")
	}
	age := int64(min(seconds, math.MaxInt32)) // 68 years are for ever
	d.MaxAge = &age
	return nil
}

func (s *Server) readResource(ctx context.Context, d *demand, requested []string) *web.Error {
	audiences, err := s.resources.audiences(ctx, requested, d.At)
	if err != nil {
		return targetError(err)
	}
	d.Resource = audiences
	return nil
}

// readSubject finds out whom the answer must be about, from id_token_hint and
// from the sub that the claims parameter wants (OIDC Core 1.0 sections 3.1.2.1
// and 5.5.1).
func (s *Server) readSubject(ctx context.Context, d *demand, idTokenHint string) *web.Error {
	claims, ok := parseClaims(d.Claims)
	if !ok {
		return refusal("invalid_request", "claims must be a JSON object of 4096 bytes at most.")
	}
	d.EssentialACR = claims.essentialACR()
	if d.HintSubject, ok = claims.subject(); !ok {
		return refusal("invalid_request", "claims name more than one person.")
	}
	if idTokenHint == "" {
		return nil
	}
	who, ours := s.hinted(ctx, idTokenHint)
	if ours && d.HintSubject != "" && d.HintSubject != who {
		return refusal("invalid_request", "claims and id_token_hint name two people.")
	}
	d.StrangeHint = !ours
	if ours {
		d.HintSubject = who
	}
	return nil
}

// hint passes on a login_hint that could be one; it never causes an error
// (AZ-23).
func hint(s string) string {
	if len(s) > maxHint || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return s
}

// acrValues are at most ten, in order of preference.
func acrValues(s string) []string {
	if len(s) > maxOpaque || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil
	}
	values := strings.Fields(s)
	return values[:min(len(values), 10)]
}

// firstLocale is the language that the person likes best, as a BCP 47 tag.
func firstLocale(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if len(first) > 35 || strings.ContainsFunc(first, notBase64URL) {
		return ""
	}
	return first
}
