package main

import (
	"fmt"
	"slices"

	"github.com/watchgate/watchgate/apikey"
)

// greet says what runs where, and what to do first.
func (c *devCmd) greet(p *program, logName string) {
	u := c.urls()
	scope, path, keys := c.sample()
	fmt.Fprintf(p.out, `
Watchgate is running, with a demonstration around it.

  Open this page and sign in as one of the people below:

      %[3]s

  people    alice@acme.test (owner), bob@acme.test (member), victor@acme.test (viewer)
            carol@globex.test (owner)

  server    %[1]s
  metadata  %[1]s/.well-known/openid-configuration
  account   %[1]s/account   sessions, second factors and apps of who is signed in
  mail      %[1]s/dev/mail   what people are sent
  API       %[1]s/v1/docs   keys, people, sign-in: how they are managed
  demo API  %[3]s/t/acme/%[8]s   wants an access token or an API key
  provider  %[2]s   the demo's people sign in here, sent by the server
  operator  %[4]s/metrics   /healthz   /readyz
  data      %[5]s
  log       %[6]s

  Or from a shell: get a token as a machine, ask whether it is good, and try it
  on the wrong tenant.

      TOKEN=$(curl -s -u demo-m2m:demo-m2m-secret %[1]s/oauth2/token \
        -d grant_type=client_credentials -d scope=%[7]s | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
      curl -s -u demo-api:demo-api-secret %[1]s/oauth2/introspect -d tenant=acme -d token=$TOKEN; echo
      curl -s -u demo-api:demo-api-secret %[1]s/oauth2/introspect -d tenant=globex -d token=$TOKEN; echo

  The first answer is active, the second is not. Suspend the tenant, and neither is
  (from another shell; "make build" makes bin/watchgate):

      bin/watchgate tenant suspend acme --reason trying --data-dir %[5]s
      bin/watchgate tenant resume acme --data-dir %[5]s

%[9]s  Stop with Ctrl-C. Everything is kept; 'rm -r %[5]s' starts afresh.

`, u.issuer, u.idp, u.api, u.operator, c.DataDir, logName, scope, path, keys)
}

// sample is a scope of the product with what it opens at the demo API, and what can
// be pasted about keys.
func (c *devCmd) sample() (scope, path, keys string) {
	served, err := namedProduct(c.Product)
	if err != nil {
		return "", "", "" // it was read a moment ago
	}
	scope, path = served.readable()
	return scope, path, c.keySample(served.profiles.Default(), scope, path)
}

// readable is what can be read of a product at the demo API: a collection, and the scope
// that it takes. One that a key can have is better than one that it cannot.
func (p product) readable() (scope, path string) {
	for _, r := range p.demoResources() {
		read := r.Actions["read"]
		if read == "" {
			continue
		}
		if scope == "" {
			scope, path = read, r.Name
		}
		if p.profiles.Default().Allows(read) {
			return read, r.Name
		}
	}
	switch own := p.apiScopes(); {
	case scope != "":
		return scope, path
	case p.catalogue.Known("monitor:read") || len(own) == 0:
		return "monitor:read", "monitors"
	default: // nothing can be read: the token is good all the same
		return own[0].Name, "monitors"
	}
}

// keySample is what makes a key and tries it.
func (c *devCmd) keySample(profile apikey.Profile, scope, path string) string {
	u := c.urls()
	create, header, next := "--scope "+scope, `"Authorization: Bearer $KEY"`, ""
	if profile.AllowedIPs == apikey.AddressesRequired {
		create += " --allow-ip 127.0.0.1"
	}
	if !slices.Contains(profile.Headers, apikey.HeaderBearer) {
		header = `"X-API-Key: $KEY"`
	}
	if scope == "monitor:read" {
		next = " The README\n  goes on from there, to a check runner that stops when its key is revoked."
	}
	if profile.HTTPSOnly {
		next = `
  Its keys are good over https only (https_only): the demo API is plain HTTP, and
  refuses every key (401).`
	}
	return fmt.Sprintf(`  Make an API key: sign in as alice@acme.test in the browser that opens.%[1]s

      KEY=$(bin/watchgate key create ci %[2]s --server %[3]s)
      curl -s %[4]s/t/acme/%[5]s -H %[6]s
      bin/watchgate key list --server %[3]s

`, next, create, u.issuer, u.api, path, header)
}
