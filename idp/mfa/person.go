package mfa

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/watchgate/watchgate/storage"
)

// public is what is kept of a passkey, beside its credential id and its counter.
type public struct {
	Key            []byte   `json:"key"` // COSE_Key
	Transports     []string `json:"transports,omitempty"`
	AAGUID         []byte   `json:"aaguid,omitempty"`
	BackupEligible bool     `json:"backup_eligible,omitempty"`
	BackedUp       bool     `json:"backed_up,omitempty"`
}

// keep is what is kept of a credential.
func keep(c webauthn.Credential) public {
	p := public{
		Key: c.PublicKey, AAGUID: c.Authenticator.AAGUID,
		BackupEligible: c.Flags.BackupEligible, BackedUp: c.Flags.BackupState,
	}
	for _, t := range c.Transport {
		p.Transports = append(p.Transports, string(t))
	}
	return p
}

// credential is a passkey as the library wants it.
func credential(f storage.Factor) (webauthn.Credential, error) {
	var p public
	if err := json.Unmarshal(f.Public, &p); err != nil {
		return webauthn.Credential{}, fmt.Errorf("mfa: passkey %s: %w", f.ID, err)
	}
	c := webauthn.Credential{
		ID: f.CredentialID, PublicKey: p.Key,
		Flags:         webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: p.BackupEligible, BackupState: p.BackedUp},
		Authenticator: webauthn.Authenticator{AAGUID: p.AAGUID, SignCount: uint32(f.Count)},
	}
	for _, t := range p.Transports {
		c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
	}
	return c, nil
}

// person is somebody as the library wants them.
type person struct {
	handle      []byte
	name, shown string
	credentials []webauthn.Credential
}

// WebAuthnID implements webauthn.User.
func (p person) WebAuthnID() []byte { return p.handle }

// WebAuthnName implements webauthn.User.
func (p person) WebAuthnName() string { return p.name }

// WebAuthnDisplayName implements webauthn.User.
func (p person) WebAuthnDisplayName() string { return p.shown }

// WebAuthnCredentials implements webauthn.User.
func (p person) WebAuthnCredentials() []webauthn.Credential { return p.credentials }

// personWith is somebody with those of their factors that are passkeys.
func personWith(t storage.TenantID, u storage.UserID, all []storage.Factor) (person, error) {
	p := person{handle: handleOf(t, u)}
	for _, f := range all {
		if f.Kind != storage.FactorPasskey {
			continue
		}
		c, err := credential(f)
		if err != nil {
			return person{}, err
		}
		p.credentials = append(p.credentials, c)
	}
	return p, nil
}

// handleOf is the user handle (WebAuthn section 5.4.3): it says of whose tenant a
// discoverable passkey is, and of whom, and nothing about them.
func handleOf(t storage.TenantID, u storage.UserID) []byte {
	return []byte(string(t) + "." + string(u))
}

// whose reads a user handle.
func whose(handle []byte) (storage.TenantID, storage.UserID, bool) {
	t, u, ok := strings.Cut(string(handle), ".")
	return storage.TenantID(t), storage.UserID(u), ok && t != "" && u != ""
}
