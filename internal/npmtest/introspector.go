package npmtest

// Introspector is npm's oidc-provider with everything in memory, whose one client
// gets opaque access tokens at [Introspector.TokenURL] by client credentials, with
// client_secret_basic, and may ask about them at [Introspector.URL] (RFC 7662).
type Introspector struct{ script *script }

// StartIntrospector starts one. cfg.RedirectURI, ClaimsInIDToken and Port say
// nothing here. Errors wrap [ErrNotInstalled] on a machine that lacks what it
// needs. Whoever starts it has to stop it.
func StartIntrospector(cfg Config) (*Introspector, error) {
	// Node.js programs are told so that they are not being developed.
	s, err := runScript(append(cfg.environment(), "NODE_ENV=production"), "introspector.mjs")
	if err != nil {
		return nil, err
	}
	return &Introspector{s}, nil
}

// Issuer is its URL, with no trailing slash.
func (i *Introspector) Issuer() string { return i.script.issuer }

// TokenURL is where its client gets tokens (RFC 6749 section 4.4).
func (i *Introspector) TokenURL() string { return i.script.issuer + "/token" }

// URL is its introspection endpoint.
func (i *Introspector) URL() string { return i.script.issuer + "/token/introspection" }

// PID is its process's id.
func (i *Introspector) PID() int { return i.script.cmd.Process.Pid }

// Stop ends it. The error is its exit status, if that is not 0.
func (i *Introspector) Stop() error { return i.script.stop() }
