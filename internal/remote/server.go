package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Limits of what is read from a server.
const (
	maxBody = 4 << 20 // bytes
	timeout = 30 * time.Second
)

// errRedirected: neither the API nor the token endpoint redirects; a credential
// does not follow.
var errRedirected = errors.New("the server redirects where it should answer")

// newHTTP is the client for everything but the browser's part.
func newHTTP() *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirected },
	}
}

// ParseServer reads the address of a server, which is its issuer. A credential
// goes there: it has to be https, or this machine.
func ParseServer(raw string) (string, error) {
	issuer := strings.TrimSuffix(raw, "/")
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(issuer, "?") {
		return "", fmt.Errorf("the server must be an address like https://auth.example.com, not %q", raw)
	}
	if !safe(u) {
		return "", fmt.Errorf("the server must be https: on the way to %s anybody could read the credentials", issuer)
	}
	return issuer, nil
}

// safe reports whether nobody on the way can read what is sent to u.
func safe(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	loopback := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}

// metadata is what a sign-in needs of the server's metadata (RFC 8414).
type metadata struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	// NamesIssuer: every authorization response says who answers (RFC 9207).
	NamesIssuer bool `json:"authorization_response_iss_parameter_supported"`
}

// discover reads the metadata of an issuer. The document must be that issuer's own
// (RFC 8414 section 3.3), and it must name itself in its answers.
func discover(ctx context.Context, client *http.Client, issuer string) (metadata, error) {
	at, err := metadataURL(issuer)
	if err != nil {
		return metadata{}, err
	}
	var m metadata
	if err := getJSON(ctx, client, at, &m); err != nil {
		return metadata{}, fmt.Errorf("%s does not answer as a Watchgate server: %w", issuer, err)
	}
	switch {
	case m.Issuer != issuer:
		return metadata{}, fmt.Errorf("the server calls itself %q and not %q: give that address, if you trust it", m.Issuer, issuer)
	case !m.NamesIssuer:
		return metadata{}, errors.New("the server does not say who answers a sign-in (RFC 9207)")
	}
	for _, endpoint := range []string{m.Authorization, m.Token, m.Revocation} {
		if u, err := url.Parse(endpoint); err != nil || u.Host == "" || !safe(u) {
			return metadata{}, fmt.Errorf("the server names %q as one of its endpoints, where nothing can be sent", endpoint)
		}
	}
	return m, nil
}

// metadataURL puts the well-known path before the issuer's own (RFC 8414 section 3.1).
func metadataURL(issuer string) (string, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return "", err
	}
	u.Path = "/.well-known/oauth-authorization-server" + u.Path
	return u.String(), nil
}

func getJSON(ctx context.Context, client *http.Client, at string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return plain(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", res.Status)
	}
	if json.NewDecoder(io.LimitReader(res.Body, maxBody)).Decode(into) != nil {
		return errors.New("what it answers is not JSON")
	}
	return nil
}

// plain is why a request failed, without the URL that it was for.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
