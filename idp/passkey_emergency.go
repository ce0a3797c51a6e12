package idp

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// breakGlass begins the sign-in of an owner past an enforced provider (MF-12). It asks
// everybody for the same, a passkey, and only whoever has proved that they are an owner
// learns whether it is open.
func (s *Server) breakGlass(w http.ResponseWriter, r *http.Request) error {
	if s.cfg.Prover == nil {
		return refuse("not_found", nil)
	}
	c, err := s.passkeyChallenge(r.Context(), "", "", challenge{})
	if err != nil {
		return err
	}
	l := storage.Login{Step: storage.StepLink, Purpose: storage.PurposeBreakGlass, ReturnTo: s.path + "/login"}
	if err := c.keep(&l); err != nil {
		return err
	}
	if l, err = s.start(w, r, l); err != nil {
		return err
	}
	s.to(w, r, l, "")
	return nil
}

// emergency signs an owner in by their passkey alone, where their tenant allows it
// now. Every owner is told before it happens: nobody can prevent that by what comes
// after.
func (s *Server) emergency(w http.ResponseWriter, r *http.Request, l storage.Login, proof Proof) error {
	ctx := r.Context()
	tenant, err := s.cfg.Store.TenantByID(ctx, proof.Tenant)
	if err != nil {
		return away(err)
	}
	user, err := s.cfg.Store.Tenant(tenant.ID).User(ctx, proof.User)
	if err != nil {
		return away(err)
	}
	l.Tenant = tenant.ID
	if !proof.Whole || !s.mayBreakGlass(tenant, user) {
		return s.refused(ctx, l, refuse("break_glass_closed", nil))
	}
	con, err := s.passkeyConnection(ctx, tenant.ID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return s.refused(ctx, l, refuse("break_glass_not_set_up", nil))
	case err != nil:
		return away(err)
	}
	l.Connection = con.ID
	if err := s.alarm(ctx, tenant, user); err != nil {
		return away(err)
	}
	return s.breakIn(w, r, l, arrival{tenant: tenant, connection: con, subject: Subject{
		Issuer: s.cfg.Base, Subject: string(user.ID), AuthTime: s.now(), Level: proof.Level, AMR: union(proof.AMR, []string{"mfa"}),
	}})
}

func (s *Server) mayBreakGlass(t storage.Tenant, u storage.User) bool {
	return t.SuspendedAt.IsZero() && s.now().Before(t.Policy.BreakGlassUntil) && u.Role == storage.RoleOwner && u.DisabledAt.IsZero()
}

// passkeyConnection is the tenant's connection for sign-ins without a provider.
// ErrNotFound.
func (s *Server) passkeyConnection(ctx context.Context, t storage.TenantID) (storage.Connection, error) {
	all, err := s.cfg.Store.Tenant(t).ListConnections(ctx)
	for _, con := range all {
		if con.Kind == storage.Passkey && con.DisabledAt.IsZero() {
			return con, nil
		}
	}
	if err == nil {
		err = storage.ErrNotFound
	}
	return storage.Connection{}, err
}

// alarm tells every owner.
func (s *Server) alarm(ctx context.Context, t storage.Tenant, who storage.User) error {
	if s.cfg.Post == nil {
		return nil
	}
	owners, err := s.cfg.Store.Tenant(t.ID).Owners(ctx)
	if err != nil {
		return err
	}
	from := origin.From(ctx)
	for _, owner := range owners {
		err := mail.Tell(ctx, s.cfg.Post, t.ID, mail.Message{Kind: mail.BreakGlass, To: owner.Email, Fields: map[string]string{
			"tenant": t.Name, "person": personName(who), "ip": from.IP, "device": from.UserAgent,
			"until": t.Policy.BreakGlassUntil.UTC().Format(time.RFC1123),
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// breakIn stores the session. The owner need not be known at the connection: they are
// known by the passkey.
func (s *Server) breakIn(w http.ResponseWriter, r *http.Request, l storage.Login, a arrival) error {
	ctx, handle := r.Context(), token.NewSecret()
	fresh := s.newSession(ctx, a, hashOf(handle))
	var err error
	for range attempts {
		var before []storage.LiveSession
		if before, err = s.sessions(r); err != nil {
			break
		}
		in := storage.SignIn{Session: fresh}
		if err = s.knownOwner(ctx, a, &in); err != nil {
			break
		}
		more := s.succeed(ctx, &in, before, a.tenant.ID)
		more = append(more, audit.BreakGlassUsed(ctx, s.now(), in.User.ID, in.Session.ID))
		err = s.cfg.Store.Tenant(a.tenant.ID).SignIn(ctx, in, audit.SignedIn(ctx, s.now(), in.User, in.Session, false), more...)
		if err == nil {
			return s.seat(w, r, l, seated{tenant: a.tenant, session: in.Session, handle: handle, before: before})
		}
		if !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	return away(err)
}

// knownOwner reads the owner again, with an identity of theirs: the store takes no
// session of somebody who has none.
func (s *Server) knownOwner(ctx context.Context, a arrival, in *storage.SignIn) (err error) {
	tenant, id := s.cfg.Store.Tenant(a.tenant.ID), storage.UserID(a.subject.Subject)
	if in.User, err = tenant.User(ctx, id); err != nil {
		return err
	}
	if !s.mayBreakGlass(a.tenant, in.User) {
		return refuse("break_glass_closed", nil)
	}
	ids, err := tenant.Identities(ctx, id)
	if err == nil && len(ids) == 0 {
		err = refuse("break_glass_not_set_up", nil)
	}
	if err != nil {
		return err
	}
	in.Identity, in.Session.User = ids[0], id
	return nil
}

// seated is a session that was just stored.
type seated struct {
	tenant  storage.Tenant
	session storage.Session
	handle  string
	before  []storage.LiveSession
}

func (s *Server) seat(w http.ResponseWriter, r *http.Request, l storage.Login, in seated) error {
	if err := s.cookies.put(w, r, sessionCookie+string(in.tenant.ID), in.handle); err != nil {
		return err
	}
	if err := s.makeRoom(w, r, in.before, in.tenant.ID); err != nil {
		return away(err)
	}
	l.Purpose, l.Ceremony = storage.PurposeNone, nil
	l.Need = s.needOf(l, in.tenant.Policy, in.session)
	return s.onward(w, r, l, in.session)
}
