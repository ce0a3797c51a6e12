package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/watchgate/watchgate/internal/remote"
)

// apiKeyVariable is an API key that is used instead of a sign-in.
const apiKeyVariable = "WATCHGATE_API_KEY"

// errInterrupted ends a command that was told to stop: what it was for is not done.
var errInterrupted = errors.New("interrupted")

// remotely calls a server, and tells what it refuses in sentences.
func (p *program) remotely(t there, do func(*remote.Client) error) error {
	client, err := p.remote(t)
	if err != nil {
		return err
	}
	err = do(client)
	switch {
	case err == nil:
		return nil
	case p.ctx.Err() != nil:
		return errInterrupted
	case errors.Is(err, remote.ErrNotSignedIn):
		return fmt.Errorf("%w: give a key in %s, or run 'watchgate key login' where there is a browser", err, apiKeyVariable)
	}
	return errors.New(lines(err.Error()) + roleHint(err))
}

// roleHint says where to look when a scope is missing. Of a sign-in it was asked for:
// then it is the person's role that does not permit it.
func roleHint(err error) string {
	var refused *remote.Problem
	if errors.As(err, &refused) && refused.Kind() == "insufficient-scope" {
		return "\n  your role may not allow it"
	}
	return ""
}

func (p *program) remote(t there) (*remote.Client, error) {
	cfg := remote.Config{Server: t.Server, APIKey: strings.TrimSpace(p.env(apiKeyVariable)), Tenant: t.Tenant, Now: now}
	var err error
	if cfg.Dir, err = remote.Dir(); err != nil && cfg.APIKey == "" {
		return nil, err
	}
	if p.env("CI") == "" {
		cfg.Show = p.show
	}
	return remote.New(cfg)
}

// show opens the page on which to sign in, and says where it is.
func (p *program) show(page string) {
	how := "Your browser opens for the sign-in. If it does not, open this page:"
	if remote.OpenBrowser(p.env, page) != nil {
		how = "Sign in with a browser on this machine, on this page:"
	}
	fmt.Fprintf(p.errOut, "%s\n\n    %s\n\n", how, page)
}

type keyLogin struct {
	there
}

// Run signs in.
func (c *keyLogin) Run(p *program) error {
	if p.env(apiKeyVariable) != "" {
		return fmt.Errorf("%s is set: every command uses that key, and no sign-in", apiKeyVariable)
	}
	return p.remotely(c.there, func(r *remote.Client) error {
		who, err := r.SignIn(p.ctx)
		if err != nil {
			return err
		}
		return said("You are signed in to %s.", who.Tenant).write(p.out, c.JSON)
	})
}

type keyForget struct {
	there
}

// Run signs out.
func (c *keyForget) Run(p *program) error {
	return p.remotely(c.there, func(r *remote.Client) error {
		tenants, err := r.Forget(p.ctx)
		switch {
		case err != nil:
			return err
		case len(tenants) == 0:
			return said("There is nothing to forget for this server.").write(p.out, c.JSON)
		}
		return said("You are signed out of %s.", strings.Join(tenants, ", ")).write(p.out, c.JSON)
	})
}
