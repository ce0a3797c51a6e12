package provider

import (
	"net/url"

	"github.com/watchgate/watchgate/storage"
)

// Addresses are those of this server that a connection's provider has to know, whether
// the connection is there yet or not.
type Addresses struct {
	Issuer     string // the deployment's, without a trailing slash
	Tenant     storage.TenantID
	Connection storage.ConnectionID
}

// RedirectURI is where people come back to.
func (a Addresses) RedirectURI() string {
	return a.Issuer + "/login/callback/" + url.PathEscape(string(a.Connection))
}

// Backchannel is where the provider's logout tokens go to (OpenID Connect Back-Channel
// Logout section 2.2).
func (a Addresses) Backchannel() string { return a.of("backchannel") }

// Revocation is where Okta's Universal Logout calls (Global Token Revocation).
func (a Addresses) Revocation() string { return a.of("revocation") }

// Trial is where somebody tries the connection with a browser.
func (a Addresses) Trial(id storage.TestID) string {
	return a.Issuer + "/login/test/" + url.PathEscape(string(a.Tenant)) + "/" + url.PathEscape(string(id))
}

// Paste is what a step says to paste: what is one of its values; "" for any other.
func (a Addresses) Paste(what string) string {
	switch what {
	case PasteRedirectURI:
		return a.RedirectURI()
	case PasteBackchannel:
		return a.Backchannel()
	case PasteRevocation:
		return a.Revocation()
	}
	return ""
}

func (a Addresses) of(use string) string {
	return a.Issuer + "/login/" + use + "/" + url.PathEscape(string(a.Tenant)) + "/" + url.PathEscape(string(a.Connection))
}
