package directory

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// inviteLife is for how long an invitation's link works. After that the person signs in
// as others without a provider do, by an e-mailed link.
const inviteLife = 7 * 24 * time.Hour

// Invitation is somebody who is to sign in without an identity provider.
type Invitation struct {
	Email string
	Role  storage.Role
	By    string // who invites, as the person reads it; may be empty
}

// EnsurePasskeyConnection returns the connection of a tenant's people who have no
// identity provider, and makes it if there is none. Any number may ask at once.
func (d *Directory) EnsurePasskeyConnection(ctx context.Context, tenant string) (storage.Connection, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return storage.Connection{}, err
	}
	all, err := d.cfg.Store.Tenant(t.ID).ListConnections(ctx)
	if err != nil {
		return storage.Connection{}, explain(err, "list of connections")
	}
	for _, c := range all {
		if c.Kind == storage.Passkey {
			return c, nil
		}
	}
	return d.makePasskeyConnection(ctx, t)
}

func (d *Directory) makePasskeyConnection(ctx context.Context, t storage.Tenant) (storage.Connection, error) {
	now := d.cfg.Now()
	c := storage.Connection{
		// One id for a tenant: of two who make it, one does.
		ID:   storage.ConnectionID("con_" + strings.TrimPrefix(string(t.ID), "ten_")),
		Kind: storage.Passkey, Name: "Passkeys", Issuer: d.cfg.Issuer, DefaultRole: storage.RoleMember, CreatedAt: now, Version: 1,
	}
	if err := d.checkConnection(c, ""); err != nil {
		return c, err
	}
	store := d.cfg.Store.Tenant(t.ID)
	err := store.CreateConnection(ctx, c, audit.ConnectionCreated(ctx, now, c))
	if errors.Is(err, storage.ErrExists) {
		c, err = store.Connection(ctx, c.ID)
	}
	return c, explain(err, "connection of people without a provider")
}

// InviteUser adds somebody who will sign in without an identity provider, and sends
// them a link. A problem: the address is none, somebody has it (storage.ErrExists), its
// domain's people sign in through a provider, or there is nothing to send mails with.
func (d *Directory) InviteUser(ctx context.Context, tenant string, in Invitation) (storage.User, error) {
	t, err := d.tenant(ctx, tenant)
	if err != nil {
		return storage.User{}, err
	}
	if err := d.checkInvitation(ctx, t, in); err != nil {
		return storage.User{}, err
	}
	con, err := d.EnsurePasskeyConnection(ctx, string(t.ID))
	switch {
	case err != nil:
		return storage.User{}, err
	case !con.DisabledAt.IsZero():
		return storage.User{}, problem("the connection %s, by which people without a provider sign in, is disabled: enable it first", con.ID)
	}
	now := d.cfg.Now()
	u := storage.User{ID: storage.NewUserID(now), Role: in.Role, Email: in.Email, CreatedAt: now, Version: 1}
	identity := storage.Identity{Connection: con.ID, Issuer: con.Issuer, Subject: string(u.ID)}
	if err := d.cfg.Store.Tenant(t.ID).InviteUser(ctx, u, []storage.Identity{identity}, audit.UserInvited(ctx, now, u)); err != nil {
		return u, explain(err, "person with that address")
	}
	return u, d.sendInvitation(ctx, t, u, in.By)
}

// sendInvitation stores the link with the mail that carries it.
func (d *Directory) sendInvitation(ctx context.Context, t storage.Tenant, u storage.User, by string) error {
	secret, now := token.NewSecret(), d.cfg.Now()
	hash := sha256.Sum256([]byte(secret))
	m, err := d.cfg.Post.Prepare(t.ID, mail.Message{Kind: mail.Invitation, To: u.Email, Life: inviteLife, Fields: map[string]string{
		"link": d.cfg.Issuer + "/login/link/" + string(t.ID) + "/" + secret, "tenant": t.Name, "by": by,
	}})
	if err != nil {
		return fmt.Errorf("directory: an invitation: %w", err)
	}
	link := storage.EmailLink{Hash: hash[:], User: u.ID, Email: u.Email, Purpose: storage.LinkInvite, CreatedAt: now, ExpiresAt: now.Add(inviteLife)}
	err = d.cfg.Store.Tenant(t.ID).CreateEmailLink(ctx, link, m, audit.LinkSent(ctx, now, u.ID, storage.LinkInvite))
	return explain(err, "invitation")
}

// checkInvitation looks at who is to be invited. An error that is no problem is the
// store's.
func (d *Directory) checkInvitation(ctx context.Context, t storage.Tenant, in Invitation) error {
	p := &Problem{}
	checkRole(p, "role", "role", in.Role)
	if !goodAddress(in.Email) {
		p.in("email", "%q is no e-mail address", in.Email)
	}
	if err := p.or(); err != nil {
		return err
	}
	if d.cfg.Post == nil {
		return problem("this deployment sends no e-mail: set mail.server in its configuration")
	}
	store := d.cfg.Store.Tenant(t.ID)
	had, err := store.UsersByEmail(ctx, in.Email)
	switch {
	case err != nil:
		return explain(err, "list of people")
	case len(had) > 0:
		return because(storage.ErrExists, "somebody with the address %s is there already", in.Email)
	}
	return d.checkEnforced(ctx, store, in.Email)
}

// checkEnforced refuses to invite somebody who could not sign in by a link.
func (d *Directory) checkEnforced(ctx context.Context, store storage.TenantStore, email string) error {
	all, err := store.ListDomains(ctx)
	if err != nil {
		return explain(err, "list of domains")
	}
	_, of, _ := strings.Cut(strings.ToLower(email), "@")
	for _, dom := range all {
		if dom.Name != of || !dom.SSORequired || dom.VerifiedAt.IsZero() {
			continue
		}
		if c, err := store.Connection(ctx, dom.Connection); err != nil || c.Kind != storage.Passkey {
			p := &Problem{}
			p.in("email", "people with addresses at %s sign in through their identity provider: nobody of them is invited", of)
			return p
		}
	}
	return nil
}

// goodAddress accepts one plain address of at most 254 bytes (RFC 5321 section 4.5.3.1).
func goodAddress(s string) bool {
	a, err := netmail.ParseAddress(s)
	return err == nil && a.Address == s && a.Name == "" && len(s) <= 254 && !strings.ContainsFunc(s, invisible) && strings.Count(s, "@") == 1
}
