package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage"
)

type clientCmd struct {
	List         clientList   `cmd:"" help:"List the clients."`
	Create       clientCreate `cmd:"" help:"Register a client; its secret is shown once."`
	Set          clientSet    `cmd:"" help:"Change a client's name, its redirect URIs, or where it is told of sign-outs."`
	Disable      clientSwitch `cmd:"" help:"Stop a client: every token it holds is dead at once."`
	Enable       clientSwitch `cmd:"" help:"Enable a disabled client again."`
	RotateSecret clientRotate `cmd:"" help:"Give a client a new secret; the old one works a while longer."`
}

type clientList struct {
	target `json:"-"`
}

func (c *clientList) do(ctx context.Context, ops operators) (report, error) {
	all, err := ops.directory.Clients(ctx)
	r := report{Columns: []string{"id", "name", "owner", "authentication", "grants", "state"}}
	for _, cl := range all {
		owner := string(cl.Owner)
		if owner == "" {
			owner = "platform"
		}
		r.Rows = append(r.Rows, []string{
			string(cl.ID), cl.Name, owner, string(cl.AuthMethod), strings.Join(cl.GrantTypes, " "), state(cl.DisabledAt, "disabled"),
		})
	}
	return r, err
}

type clientCreate struct {
	target       `json:"-"`
	ID           string   `help:"The client_id; one is made when absent." placeholder:"ID"`
	Name         string   `required:"" help:"What people read when they consent." placeholder:"NAME"`
	Auth         string   `help:"How it proves itself: none (an app without a secret), client_secret_basic or client_secret_post; client_secret_basic when absent." placeholder:"METHOD" default:"client_secret_basic"`
	Grant        []string `help:"What it may do: authorization_code, refresh_token, client_credentials, token_exchange (tokens for who holds an API key); the first two when absent." placeholder:"GRANT" default:"authorization_code,refresh_token"`
	Redirect     []string `help:"A redirect URI, exactly as the app sends it; repeat the flag for more." sep:"none" placeholder:"URI"`
	Scope        []string `help:"The scopes that it may ask for; openid,profile,email,offline_access when absent." placeholder:"SCOPE" default:"openid,profile,email,offline_access"`
	Owner        string   `help:"The tenant that owns the client, by slug or id; the platform when absent." placeholder:"TENANT"`
	Tenant       string   `help:"The tenant that its client_credentials tokens act in, by slug or id." placeholder:"TENANT"`
	URI          string   `name:"uri" help:"The app's home page." placeholder:"URL"`
	IDTokenAlg   string   `name:"id-token-alg" help:"What its ID tokens are signed with: RS256, ES256 or EdDSA; RS256 when absent." default:"RS256" placeholder:"ALG"`
	FormPost     bool     `help:"Allow response_mode=form_post."`
	PKCEOptional bool     `name:"pkce-optional" help:"Do not demand PKCE: for OpenID Connect clients with a secret that cannot do it."`
	PostLogout   []string `name:"post-logout-redirect" help:"Where people may be sent after they signed out, exactly as the app sends it; repeat the flag for more." sep:"none" placeholder:"URI"`
	Backchannel  string   `name:"backchannel-logout-uri" help:"Where the app is told that a session ended (OpenID Connect Back-Channel Logout)." placeholder:"URI"`
	Verified     bool     `help:"The platform vouches for this app: people are not warned of it."`
}

func (c *clientCreate) do(ctx context.Context, ops operators) (report, error) {
	out, err := ops.directory.CreateClient(ctx, storage.Client{
		ID: storage.ClientID(c.ID), Owner: storage.TenantID(c.Owner), Name: c.Name, URI: c.URI,
		AuthMethod: storage.AuthMethod(c.Auth), GrantTypes: grantTypes(c.Grant), RedirectURIs: c.Redirect, Scopes: c.Scope,
		FormPost: c.FormPost, PKCEOptional: c.PKCEOptional, ServiceTenant: storage.TenantID(c.Tenant),
		IDTokenAlg: c.IDTokenAlg, Verified: c.Verified, PostLogoutRedirectURIs: c.PostLogout, BackchannelLogoutURI: c.Backchannel,
	})
	return secretReport("client_id", out), err
}

// grantTypes spells out the one whose name is a URN (RFC 8693 section 2.1).
func grantTypes(named []string) []string {
	out := slices.Clone(named)
	for i, name := range out {
		if name == "token_exchange" {
			out[i] = storage.GrantTokenExchange
		}
	}
	return out
}

type clientSet struct {
	target      `json:"-"`
	ID          string   `arg:"" help:"The client_id."`
	Name        *string  `help:"What people read when they consent." placeholder:"NAME"`
	Redirect    []string `help:"A redirect URI, exactly as the app sends it, instead of those that there are; repeat the flag for more. An empty word: none." sep:"none" placeholder:"URI"`
	PostLogout  []string `name:"post-logout-redirect" help:"Where people may be sent after they signed out, exactly as the app sends it, instead of what there is; repeat the flag for more. An empty word: nowhere." sep:"none" placeholder:"URI"`
	Backchannel *string  `name:"backchannel-logout-uri" help:"Where the app is told that a session ended; an empty word: it is not told." placeholder:"URI"`
}

func (c *clientSet) do(ctx context.Context, ops operators) (report, error) {
	to, err := ops.directory.ChangeClient(ctx, storage.ClientID(c.ID), directory.ClientChange{
		Name: c.Name, RedirectURIs: withoutEmpty(c.Redirect), PostLogoutRedirectURIs: withoutEmpty(c.PostLogout), BackchannelLogoutURI: c.Backchannel,
	})
	return report{
		Tall: true, Columns: []string{"id", "name", "redirect URIs", "after a sign-out", "logout tokens go to"},
		Rows: [][]string{{string(to.ID), to.Name, strings.Join(to.RedirectURIs, " "), strings.Join(to.PostLogoutRedirectURIs, " "), to.BackchannelLogoutURI}},
	}, err
}

// withoutEmpty is a list without its empty words; nil stays nil.
func withoutEmpty(list []string) []string {
	return slices.DeleteFunc(list, func(word string) bool { return word == "" })
}

type clientSwitch struct {
	target `json:"-"`
	ID     string `arg:"" help:"The client_id."`
	on     bool
}

func (c *clientSwitch) do(ctx context.Context, ops operators) (report, error) {
	err := ops.directory.SetClientEnabled(ctx, storage.ClientID(c.ID), c.on)
	if c.on {
		return said("The client %s is enabled.", c.ID), err
	}
	return said("The client %s is disabled: every token it holds is dead.", c.ID), err
}

type clientRotate struct {
	target  `json:"-"`
	ID      string        `arg:"" help:"The client_id."`
	Overlap time.Duration `help:"How long the old secret still works; 24h when absent." default:"24h" placeholder:"TIME"`
}

func (c *clientRotate) do(ctx context.Context, ops operators) (report, error) {
	out, err := ops.directory.RotateClientSecret(ctx, storage.ClientID(c.ID), c.Overlap)
	return secretReport("client_id", out), err
}

// secretReport shows a new secret, once.
func secretReport(id string, s directory.NewSecret) report {
	r := report{Columns: []string{id}, Rows: [][]string{{s.ID}}}
	if s.Secret != "" {
		r.Columns, r.Rows[0] = append(r.Columns, "secret"), append(r.Rows[0], s.Secret)
		r.Note = "Keep the secret now: only its hash is stored, and it is not shown again."
	}
	return r
}
