package mfa

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/watchgate/watchgate/storage"
)

// use is what a ceremony is for: one of a use answers no other.
type use string

const (
	useProof   use = "proof"
	usePasskey use = "passkey"
	useTOTP    use = "totp"
)

// errCeremony: what was kept is not about this tenant, person and use.
var errCeremony = errors.New("mfa: another ceremony")

// ceremony is what the server keeps between a challenge and its answer. It says whose
// it is, so that one that went astray is worth nothing.
type ceremony struct {
	Use    use              `json:"use"`
	Tenant storage.TenantID `json:"tenant,omitempty"`
	User   storage.UserID   `json:"user,omitempty"`
	// Web is the library's state of a passkey's ceremony.
	Web *webauthn.SessionData `json:"web,omitempty"`
	// Factor, Sealed and Label are those of an authenticator app.
	Factor storage.FactorID `json:"factor,omitempty"`
	Sealed []byte           `json:"sealed,omitempty"`
	Label  label            `json:"label,omitzero"`
}

// label is what an authenticator app shows.
type label struct {
	Issuer  string `json:"issuer"`
	Account string `json:"account"`
}

// open reads a ceremony and checks whose it is.
func open(raw []byte, u use, t storage.TenantID, user storage.UserID) (ceremony, error) {
	c, err := read(raw, u, t)
	if err == nil && c.User != user {
		err = wrong(errCeremony)
	}
	return c, err
}

// read is open for whoever it may be.
func read(raw []byte, u use, t storage.TenantID) (ceremony, error) {
	var c ceremony
	if err := json.Unmarshal(raw, &c); err != nil {
		return ceremony{}, wrong(fmt.Errorf("ceremony: %w", err))
	}
	if c.Use != u || c.Tenant != t || (u != useTOTP && c.Web == nil) {
		return ceremony{}, wrong(errCeremony)
	}
	return c, nil
}

// pair is what a browser is given and what the server keeps.
func pair(options any, c ceremony) (forBrowser, kept []byte, err error) {
	if forBrowser, err = json.Marshal(options); err != nil {
		return nil, nil, fmt.Errorf("mfa: options: %w", err)
	}
	if kept, err = json.Marshal(c); err != nil {
		return nil, nil, fmt.Errorf("mfa: ceremony: %w", err)
	}
	return forBrowser, kept, nil
}
