package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/remote"
)

type keyCmd struct {
	Create keyCreate `cmd:"" help:"Make a key. Its secret is printed once, alone, on standard output."`
	List   keyList   `cmd:"" help:"List keys, the newest first, without their secrets."`
	Show   keyShow   `cmd:"" help:"Show one key."`
	Rotate keyRotate `cmd:"" help:"Make a key's successor; the old key works a while longer, if its profile or --grace says so. The secret is printed once, alone, on standard output."`
	Revoke keyRevoke `cmd:"" help:"End a key at once, with the refresh tokens and check executions that depend on it."`
	Reveal keyReveal `cmd:"" help:"Print a key's secret again, where its profile allows that."`
	Usage  keyUsage  `cmd:"" help:"Show how a key was used: how often, from where, for what, and what was refused."`
	Login  keyLogin  `cmd:"" help:"Sign in, or sign in to another tenant. The other commands do it by themselves when it is needed."`
	Forget keyForget `cmd:"" help:"Sign out: forget the credentials on this machine and end them at the server."`
}

// there says which server a command calls, and for which tenant.
type there struct {
	Server string `group:"Which server:" help:"The server's address." default:"http://127.0.0.1:8080" env:"WATCHGATE_SERVER" placeholder:"URL"`
	Tenant string `group:"Which server:" help:"Of several tenants that you signed in to there: which one; the last when absent." placeholder:"TENANT"`
	JSON   bool   `help:"Print JSON, for scripts."`
}

type keyCreate struct {
	there
	Name    string   `arg:"" help:"What its people call it."`
	Scope   []string `help:"What it may do, at most what you may do yourself; the profile's default when absent." placeholder:"SCOPE"`
	Profile string   `help:"The key profile; the deployment's default when absent." placeholder:"PROFILE"`
	Expires string   `help:"How long it lives: 720h, 90d, 6mo, 1y or never; the profile's default when absent." placeholder:"TIME"`
	AllowIP []string `name:"allow-ip" help:"An address or network from which it works; from anywhere when absent." placeholder:"CIDR"`
	Service bool     `help:"Let it belong to the tenant and to nobody in it."`
	Webhook string   `help:"Where successors are delivered, signed." placeholder:"URL"`
}

// Run makes the key.
func (c *keyCreate) Run(p *program) error {
	return p.remotely(c.there, func(r *remote.Client) error {
		made, err := r.Create(p.ctx, remote.NewKey{
			Name: c.Name, Profile: c.Profile, Scopes: c.Scope, ExpiresIn: c.Expires, AllowedIPs: c.AllowIP,
			Service: c.Service, WebhookURL: c.Webhook,
		})
		return p.tell(made, c.JSON, err)
	})
}

type keyList struct {
	there
	Owner   string `help:"Only the keys of one person: an id, or 'me'." placeholder:"USER"`
	Profile string `help:"Only those of a profile." placeholder:"PROFILE"`
	State   string `help:"Only those that are live, expired or revoked, or all; live when absent." enum:"live,expired,revoked,all" default:"live" placeholder:"STATE"`
	Most    int    `name:"limit" help:"How many at most; 100 when absent." default:"100" placeholder:"N"`
}

// Run lists the keys.
func (c *keyList) Run(p *program) error {
	if c.Most < 1 {
		return errors.New("--limit must be 1 or more")
	}
	return p.remotely(c.there, func(r *remote.Client) error {
		keys, more, err := r.Keys(p.ctx, remote.Filter{Owner: c.Owner, Profile: c.Profile, State: c.State}, c.Most)
		if err != nil {
			return err
		}
		if more {
			fmt.Fprintf(p.errOut, "There are more: these are the newest %d. --limit shows others.\n", len(keys))
		}
		if c.JSON {
			return writeJSON(p.out, append([]remote.Key{}, keys...))
		}
		table := report{Columns: []string{"id", "name", "hint", "profile", "state", "owner", "expires", "last used", "scopes"}}
		for _, k := range keys {
			table.Rows = append(table.Rows, []string{
				k.ID, k.Name, k.Hint, k.Profile, k.State, cmp.Or(k.Owner, "the tenant"), moment(k.ExpiresAt), moment(k.LastUsedAt), strings.Join(k.Scopes, " "),
			})
		}
		return table.write(p.out, false)
	})
}

type keyShow struct {
	there
	ID string `arg:"" help:"The key's id (key_...)."`
}

// Run shows the key.
func (c *keyShow) Run(p *program) error {
	return p.remotely(c.there, func(r *remote.Client) error {
		k, err := r.Key(p.ctx, c.ID)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return writeJSON(p.out, k)
		}
		return describeKey(k).write(p.out, false)
	})
}

// describeKey is a key with a line for each thing that is known of it.
func describeKey(k remote.Key) report {
	r := report{Columns: []string{"what", "value"}}
	for _, line := range [][2]string{
		{"id", k.ID}, {"name", k.Name}, {"hint", k.Hint}, {"profile", k.Profile}, {"state", k.State},
		{"scopes", strings.Join(k.Scopes, " ")}, {"works from", cmp.Or(strings.Join(k.AllowedIPs, " "), "anywhere")},
		{"owner", cmp.Or(k.Owner, "the tenant, and nobody in it")}, {"created", k.CreatedAt.UTC().Format(time.RFC3339)},
		{"expires", moment(k.ExpiresAt)}, {"last used", moment(k.LastUsedAt)}, {"rotates", moment(k.RotateAt)},
		{"replaces", k.Predecessor}, {"replaced by", k.Successor}, {"webhook", k.WebhookURL},
	} {
		if line[1] != "" {
			r.Rows = append(r.Rows, line[:])
		}
	}
	return r
}

type keyRotate struct {
	there
	ID    string `arg:"" help:"The key's id (key_...)."`
	Grace string `help:"How long the old key works beside the new one: 72h, 3d; 0s ends it at once. As its profile has it when absent." placeholder:"TIME"`
}

// Run makes the successor.
func (c *keyRotate) Run(p *program) error {
	return p.remotely(c.there, func(r *remote.Client) error {
		made, err := r.Rotate(p.ctx, c.ID, c.Grace)
		return p.tell(made, c.JSON, err)
	})
}

type keyRevoke struct {
	there
	ID string `arg:"" help:"The key's id (key_...)."`
}

// Run ends the key.
func (c *keyRevoke) Run(p *program) error {
	return p.remotely(c.there, func(r *remote.Client) error {
		if err := r.Revoke(p.ctx, c.ID); err != nil {
			return err
		}
		return said("The key %s is revoked: it is good nowhere any more, and neither is what depended on it.", c.ID).write(p.out, c.JSON)
	})
}

type keyReveal struct {
	there
	ID string `arg:"" help:"The key's id (key_...)."`
}

// Run prints the secret.
func (c *keyReveal) Run(p *program) error {
	return p.remotely(c.there, func(r *remote.Client) error {
		secret, err := r.Reveal(p.ctx, c.ID)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return writeJSON(p.out, map[string]string{"id": c.ID, "secret": secret})
		}
		fmt.Fprintln(p.out, visible(secret))
		return nil
	})
}

// tell prints a key that was just made: the secret alone on standard output, so that
// a script can take it, and everything else beside it.
func (p *program) tell(made remote.Issued, asJSON bool, err error) error {
	switch {
	case err != nil:
		return err
	case asJSON:
		return writeJSON(p.out, made.Key) // all that the server said
	}
	if err := describeKey(made.Key).write(p.errOut, false); err != nil {
		return err
	}
	p.tellOfOld(made)
	if made.WebhookSecret != "" {
		fmt.Fprintf(p.errOut, "What is sent to the webhook is signed with %s\n", visible(made.WebhookSecret))
	}
	fmt.Fprintln(p.errOut, "This is the key. It is told now; keep it.")
	fmt.Fprintln(p.out, visible(made.Secret))
	return nil
}

// tellOfOld says how long the key works that was replaced.
func (p *program) tellOfOld(made remote.Issued) {
	old := visible(made.Predecessor)
	switch {
	case old == "":
	case made.OldEndsAt == nil || !made.OldEndsAt.After(now()):
		fmt.Fprintf(p.errOut, "The old key %s is dead.\n", old)
	default:
		fmt.Fprintf(p.errOut, "The old key %s works until %s.\n", old, moment(made.OldEndsAt))
	}
}

// moment is a time that may not be.
func moment(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}
