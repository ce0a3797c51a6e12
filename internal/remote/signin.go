package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/oauth2"
)

// ClientID is the public client that every server has for this program.
const ClientID = "watchgate-cli"

// RedirectURI is the client's redirect URI, as it is registered: the port is
// whichever is free (RFC 8252 section 7.3).
const RedirectURI = "http://127.0.0.1/callback"

// Scopes are what a sign-in asks for.
func Scopes() []string {
	return []string{"openid", "offline_access", "api-keys:read", "api-keys:write"}
}

// patience is how long a person may take to sign in.
const patience = 10 * time.Minute

// stepUp is what a sign-in has to prove (RFC 9470).
type stepUp struct {
	maxAge int // seconds since the person proved who they are; 0: any
	acr    string
	fresh  bool // whatever the browser remembers does not do
}

func (s stepUp) options() []oauth2.AuthCodeOption {
	var out []oauth2.AuthCodeOption
	switch {
	case s.maxAge > 0:
		out = append(out, oauth2.SetAuthURLParam("max_age", fmt.Sprint(s.maxAge)))
	case s.fresh:
		out = append(out, oauth2.SetAuthURLParam("prompt", "login"))
	}
	if s.acr != "" {
		out = append(out, oauth2.SetAuthURLParam("acr_values", s.acr))
	}
	return out
}

func (m metadata) config(redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: ClientID, RedirectURL: redirect, Scopes: Scopes(),
		Endpoint: oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: oauth2.AuthStyleInParams},
	}
}

// signIn sends the person to the server with a browser, waits for the answer on a
// loopback port, and redeems it.
func signIn(ctx context.Context, client *http.Client, m metadata, show func(url string), need stepUp) (*oauth2.Token, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no port of this machine can take the answer of the sign-in: %w", err)
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	cfg := m.config("http://" + listener.Addr().String() + "/callback")
	verifier, state := oauth2.GenerateVerifier(), rand.Text()
	wait := newCallback(listener.Addr().String(), state, m.Issuer)
	server := &http.Server{Handler: wait, ReadHeaderTimeout: timeout}
	go server.Serve(listener)
	defer closeGently(server)
	show(cfg.AuthCodeURL(state, append(need.options(), oauth2.S256ChallengeOption(verifier))...))
	code, err := wait.answer(ctx)
	if err != nil {
		return nil, err
	}
	tok, err := cfg.Exchange(context.WithValue(ctx, oauth2.HTTPClient, client), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return nil, fmt.Errorf("the sign-in could not be completed: %w", tokenError(err))
	}
	if tok.RefreshToken == "" {
		return nil, errors.New("the server gives no refresh token to this program: its operator has to allow offline_access")
	}
	return tok, nil
}

// closeGently lets the page that says "done" reach the browser.
func closeGently(s *http.Server) {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	if s.Shutdown(ctx) != nil {
		s.Close()
	}
}

// tokenError is what the token endpoint said, without the body of its answer.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return plain(err)
	}
	switch {
	case refused.ErrorCode == "":
		return fmt.Errorf("the server answers %s", refused.Response.Status)
	case refused.ErrorDescription == "":
		return &tokenRefusal{code: refused.ErrorCode}
	}
	return &tokenRefusal{code: refused.ErrorCode, text: refused.ErrorDescription}
}

// tokenRefusal is an error of RFC 6749 section 5.2.
type tokenRefusal struct{ code, text string }

func (r *tokenRefusal) Error() string {
	if r.text == "" {
		return "the server refuses (" + r.code + ")"
	}
	return "the server refuses: " + r.text + " (" + r.code + ")"
}

// over reports whether a refresh token will never be good again.
func over(err error) bool {
	var refused *tokenRefusal
	return errors.As(err, &refused) && refused.code == "invalid_grant"
}
