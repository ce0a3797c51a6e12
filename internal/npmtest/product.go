package npmtest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Product is whose product a provider is like. The zero value is none's:
// oidc-provider as it is.
type Product struct {
	// Name is okta, entra, auth0 or google.
	Name string `json:"name,omitempty"`
	// Server is the id of Okta's custom authorization server; "": the organization's.
	Server string `json:"-"`
	// Directory is Entra's directory (tenant) ID, a GUID in lower case.
	Directory string `json:"directory,omitempty"`
	// Organization is Auth0's org_id; "": none is said.
	Organization string `json:"organization,omitempty"`
	// RoleClaim is the claim that an Auth0 action puts the groups into.
	RoleClaim string `json:"roleClaim,omitempty"`
	// HostedDomain is Google's hd.
	HostedDomain string `json:"hostedDomain,omitempty"`
}

// path is where the product's issuer lies on its host.
func (p Product) path() string {
	switch {
	case p.Name == "entra":
		return "/" + p.Directory + "/v2.0"
	case p.Name == "auth0":
		return "/"
	case p.Name == "okta" && p.Server != "":
		return "/oauth2/" + p.Server
	}
	return ""
}

// Issuer is the issuer of the product's provider on a loopback port.
func (p Product) Issuer(port int) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", port, p.path())
}

// options are the product, as provider.mjs reads it.
func (p Product) options() string {
	body, err := json.Marshal(struct {
		Product
		Path string `json:"path"`
	}{p, p.path()})
	if err != nil {
		panic(err) // texts always encode
	}
	return string(body)
}

// Person is who signs in at a provider, and how.
type Person struct {
	// Login is an e-mail address, which any password goes with.
	Login string
	// MFA says that they use a second factor. How the provider tells us, and whether,
	// is the product's matter. This and what follows is for a provider that is like a
	// [Product].
	MFA bool
	// Groups are what is in the claim of groups or roles; none has a blank. With more
	// than 200, Entra's are too many for a token.
	Groups []string
	// Claims replace the product's own, and add to them; nil leaves one out.
	Claims map[string]any
}

// Form is what the person types into the login page, whose button is "sign-in". Without
// a Login, the hint of the app stays there.
func (p Person) Form() url.Values {
	form := url.Values{"password": {"any"}}
	if p.Login != "" {
		form.Set("login", p.Login)
	}
	if p.MFA {
		form.Set("mfa", "yes")
	}
	if len(p.Groups) > 0 {
		form.Set("groups", strings.Join(p.Groups, " "))
	}
	if len(p.Claims) > 0 {
		form.Set("claims", p.otherClaims())
	}
	return form
}

func (p Person) otherClaims() string {
	body, err := json.Marshal(p.Claims)
	if err != nil {
		panic(err) // the test's own mistake
	}
	return string(body)
}
