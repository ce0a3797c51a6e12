package main

import "fmt"

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
  API keys  %[1]s/v1/docs   how they are managed
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
	scope, path = "monitor:read", "monitors"
	served, err := namedProduct(c.Product)
	if err != nil {
		return scope, path, "" // it was read a moment ago
	}
	for _, r := range served.demoResources() {
		if read := r.Actions["read"]; read != "" {
			scope, path = read, r.Name
			break
		}
	}
	if served.profiles.Default().HTTPSOnly {
		return scope, path, "" // nothing here is https
	}
	u := c.urls()
	return scope, path, fmt.Sprintf(`  Make an API key: sign in as alice@acme.test in the browser that opens. The README
  goes on from there, to a check runner that stops when its key is revoked.

      KEY=$(bin/watchgate key create ci --scope %[3]s --server %[1]s)
      curl -s %[2]s/t/acme/%[4]s -H "Authorization: Bearer $KEY"
      bin/watchgate key list --server %[1]s

`, u.issuer, u.api, scope, path)
}
