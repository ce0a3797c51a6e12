package directory

import (
	"context"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// ClientChange is what shall be different about a client; nil leaves it, and a list
// without anything in it takes the list away.
type ClientChange struct {
	Name                   *string
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	BackchannelLogoutURI   *string // "": it is told nothing
}

// empty reports whether nothing changes.
func (c ClientChange) empty() bool {
	return c.Name == nil && c.RedirectURIs == nil && c.PostLogoutRedirectURIs == nil && c.BackchannelLogoutURI == nil
}

// ChangeClient changes where a client's people and messages are sent to, and what people
// read of it. It holds from the next request on. A problem: nothing changes, the client is
// unknown, or a rule of registration would be broken.
func (d *Directory) ChangeClient(ctx context.Context, id storage.ClientID, change ClientChange) (storage.Client, error) {
	if change.empty() {
		return storage.Client{}, problem("say what changes: the name, redirect URIs, where people go after they signed out, or where logout tokens go")
	}
	c, err := d.client(ctx, id)
	if err != nil {
		return c, err
	}
	set(&c.Name, change.Name)
	set(&c.BackchannelLogoutURI, change.BackchannelLogoutURI)
	if change.RedirectURIs != nil {
		c.RedirectURIs = change.RedirectURIs
	}
	if change.PostLogoutRedirectURIs != nil {
		c.PostLogoutRedirectURIs = change.PostLogoutRedirectURIs
	}
	if err := d.checkClient(ctx, &c); err != nil {
		return c, err
	}
	return c, d.updateClient(ctx, c, audit.ClientUpdated(ctx, d.cfg.Now(), c))
}
