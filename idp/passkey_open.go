package idp

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// LinkURL is the address of an e-mailed link of a deployment. What the link holds is a
// secret of 256 bits in base 62, of which [storage.EmailLink] has the SHA-256.
func LinkURL(base string, t storage.TenantID, secret string) string {
	return base + "/login/link/" + url.PathEscape(string(t)) + "/" + url.PathEscape(secret)
}

// presented finds the link that a path names.
func (s *Server) presented(r *http.Request) (storage.Tenant, storage.EmailLink, error) {
	id, secret, ctx := storage.TenantID(r.PathValue("tenant")), r.PathValue("secret"), r.Context()
	link, err := storage.EmailLink{}, storage.ErrNotFound
	if isHandle(secret) {
		link, err = s.cfg.Store.Tenant(id).EmailLink(ctx, hashOf(secret), s.now())
	}
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return storage.Tenant{}, link, s.stray(ctx, storage.Login{}, refuse("link_expired", err))
	case err != nil:
		return storage.Tenant{}, link, away(err)
	}
	tenant, err := s.cfg.Store.TenantByID(ctx, id)
	if err != nil {
		return tenant, link, away(err)
	}
	if !tenant.SuspendedAt.IsZero() {
		return tenant, link, s.suspended(tenant)
	}
	return tenant, link, nil
}

// showLink is what a link leads to. It changes nothing: programs that read mail open
// links, too.
func (s *Server) showLink(w http.ResponseWriter, r *http.Request) error {
	tenant, link, err := s.presented(r)
	if err != nil {
		return err
	}
	html(w)
	return templates.PasskeyOpen(w, templates.PasskeyOpenPage{
		Action: s.path + LinkURL("", tenant.ID, r.PathValue("secret")), TenantName: tenant.Name, Email: link.Email,
		Invited: link.Purpose == storage.LinkInvite, Address: link.Purpose == storage.LinkVerify,
	})
}

// openLink uses a link up. It signs nobody in: it leads to the factor step (MF-07).
func (s *Server) openLink(w http.ResponseWriter, r *http.Request) error {
	tenant, link, err := s.presented(r)
	if err != nil {
		return err
	}
	if link.Purpose == storage.LinkVerify {
		return s.confirmAddress(w, r, tenant, link)
	}
	l, err := s.linkLogin(r, link)
	if err != nil {
		return err
	}
	user, con, err := s.linkPerson(r.Context(), l, tenant, link)
	if err != nil {
		return err
	}
	if err := s.useLink(r.Context(), l, tenant.ID, link); err != nil {
		return err
	}
	if err := s.proveAddress(r.Context(), tenant.ID, user.ID, link.Email); err != nil {
		return err
	}
	l.Step, l.Tenant, l.Connection, l.Session, l.Email = storage.StepFactor, tenant.ID, con.ID, "", link.Email
	if err := (challenge{Person: user.ID}).keep(&l); err != nil {
		return err
	}
	return s.enter(w, r, l)
}

// linkLogin is the transaction that a link goes on with: it waits for one, in this
// browser. The zero value is a new one.
func (s *Server) linkLogin(r *http.Request, link storage.EmailLink) (storage.Login, error) {
	if link.Login == "" {
		return storage.Login{ReturnTo: s.path + "/login"}, nil
	}
	l, err := s.cfg.Store.Login(r.Context(), link.Login, s.now())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return l, s.stray(r.Context(), l, refuse("session_expired", err))
	case err != nil:
		return l, away(err)
	case len(l.Browser) == 0 || subtle.ConstantTimeCompare(l.Browser, s.browser(r, l.ID)) != 1:
		return l, s.stray(r.Context(), l, refuse("other_browser", nil))
	case l.Step != storage.StepLink || l.Purpose == storage.PurposeBreakGlass:
		return l, s.stray(r.Context(), l, refuse("already_used", nil))
	}
	return l, nil
}

// linkPerson is whose link it is, and where they sign in. The link is for the address
// that they have now.
func (s *Server) linkPerson(ctx context.Context, l storage.Login, t storage.Tenant, link storage.EmailLink) (storage.User, storage.Connection, error) {
	none := storage.Connection{}
	user, err := s.cfg.Store.Tenant(t.ID).User(ctx, link.User)
	if err != nil {
		return user, none, away(err)
	}
	con, found, err := s.localConnection(ctx, t.ID, user.ID)
	l.Tenant, l.Connection = t.ID, con.ID
	switch {
	case err != nil:
		return user, none, away(err)
	case user.Email != link.Email:
		return user, none, s.refused(ctx, l, refuse("link_expired", nil))
	case !user.DisabledAt.IsZero():
		return user, none, s.refused(ctx, l, s.refuseIn(t, "user_suspended", ""))
	case !found:
		return user, none, s.refused(ctx, l, s.refuseIn(t, "no_account", ""))
	}
	return user, con, s.enforceSSO(ctx, l, t, con.ID, user.Email)
}

// useLink uses a link up: of many that open it, one does.
func (s *Server) useLink(ctx context.Context, l storage.Login, t storage.TenantID, link storage.EmailLink) error {
	tenant := s.cfg.Store.Tenant(t)
	err := tenant.UseEmailLink(ctx, link.Hash, s.now())
	switch {
	case errors.Is(err, storage.ErrConsumed):
		return s.stray(ctx, l, refuse("link_expired", err))
	case err != nil:
		return away(err)
	}
	if err := tenant.AppendEvent(ctx, audit.LinkUsed(ctx, s.now(), link.User, link.Purpose)); err != nil {
		return away(err)
	}
	return nil
}

// enter goes on with a transaction that waited for a link, or with a new one.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, l storage.Login) (err error) {
	if l.ID == "" {
		l, err = s.start(w, r, l)
	} else {
		if l.Browser, err = s.bind(w, r, l.ID); err != nil {
			return err
		}
		l, err = s.advance(r.Context(), l)
	}
	if err != nil {
		return err
	}
	s.to(w, r, l, "")
	return nil
}

// confirmAddress uses up a link that says whose an address is. Whoever is signed in as
// somebody else of the tenant confirms nothing for others.
func (s *Server) confirmAddress(w http.ResponseWriter, r *http.Request, t storage.Tenant, link storage.EmailLink) error {
	all, err := s.Current(r)
	if err != nil {
		return err
	}
	for _, live := range all {
		if live.Tenant.ID == t.ID && live.User != link.User {
			return refuse("other_person", nil)
		}
	}
	if err := s.useLink(r.Context(), storage.Login{}, t.ID, link); err != nil {
		return err
	}
	if err := s.proveAddress(r.Context(), t.ID, link.User, link.Email); err != nil {
		return err
	}
	html(w)
	return templates.PasskeyAddress(w, templates.PasskeyAddressPage{TenantName: t.Name, Email: link.Email})
}

// proveAddress notes that somebody reads their address, if it is theirs still.
func (s *Server) proveAddress(ctx context.Context, t storage.TenantID, u storage.UserID, address string) error {
	tenant := s.cfg.Store.Tenant(t)
	var err error
	for range attempts {
		var user storage.User
		if user, err = tenant.User(ctx, u); err != nil {
			return away(err)
		}
		if user.Email != address || user.ProvedEmail == address {
			return nil
		}
		user.ProvedEmail = address
		if err = tenant.UpdateUser(ctx, user, audit.AddressProved(ctx, s.now(), user)); !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	if err != nil {
		return away(err)
	}
	return nil
}
