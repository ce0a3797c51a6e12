package idp

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// postFactor takes the proof of a factor, at the factor step or in place of an
// e-mailed link.
func (s *Server) postFactor(w http.ResponseWriter, r *http.Request) error {
	l, c, fields, err := s.answer(w, r, storage.StepFactor, storage.StepLink)
	if err != nil {
		return err
	}
	if s.cfg.Prover == nil {
		return refuse("not_found", nil)
	}
	if l.Step == storage.StepLink {
		return s.passkeyInstead(w, r, l, c, fields)
	}
	p, err := s.proving(r, l, c.spent())
	if err != nil {
		return err
	}
	switch way := fields.Get(templates.FieldWay); {
	case way == templates.WayCancel:
		return s.unmet(w, r, p)
	case way == templates.WayProvider && !p.linked() && len(p.connection.Settings.MFA.AskFor) > 0:
		return s.askProvider(w, r, p)
	}
	proof, err := s.proof(r.Context(), p, c, fields)
	if err != nil {
		return s.notProved(w, r, p, err)
	}
	return s.proved(w, r, p, proof, kindOf(fields))
}

// kindOf is how a way is called in the trail.
func kindOf(fields web.Form) string {
	return map[string]string{
		templates.WayPasskey: "passkey", templates.WayCode: "totp", templates.WayRecovery: "recovery_code",
	}[fields.Get(templates.FieldWay)]
}

// proof has an answer checked. It is the person's whom the transaction is about.
func (s *Server) proof(ctx context.Context, p proving, c challenge, fields web.Form) (Proof, error) {
	var proof Proof
	var err error
	t, u := p.tenant.ID, p.user.ID
	switch way := fields.Get(templates.FieldWay); {
	case way == templates.WayCode && p.outranked():
		return Proof{}, refuse("bad_request", nil)
	case way == templates.WayPasskey && c.Kind == challengeProof && len(c.Kept) > 0:
		proof, err = s.cfg.Prover.Assert(ctx, t, c.Kept, []byte(fields.Get(templates.FieldResponse)))
	case way == templates.WayCode:
		proof, err = s.cfg.Prover.Code(ctx, t, u, fields.Get(templates.FieldCode))
	case way == templates.WayRecovery:
		proof, err = s.cfg.Prover.Recover(ctx, t, u, fields.Get(templates.FieldCode))
	default:
		return Proof{}, refuse("bad_request", nil)
	}
	if err == nil && (proof.User != u || proof.Tenant != t) {
		err = ErrWrongFactor
	}
	return proof, err
}

// notProved records a proof that was none, and leads back to the page, which says so.
func (s *Server) notProved(w http.ResponseWriter, r *http.Request, p proving, cause error) error {
	c := p.challenge
	switch {
	case errors.Is(cause, ErrLocked):
		c.Problem = templates.FactorLocked
		cause = s.factorRefused(r.Context(), p.tenant.ID, p.user.ID, "locked")
	case errors.Is(cause, ErrTooManyTries):
		c.Problem = templates.FactorTooMany
		cause = s.factorRefused(r.Context(), p.tenant.ID, p.user.ID, "too_many_tries")
	case errors.Is(cause, ErrWrongFactor):
		c.Problem = templates.FactorWrong
		cause = s.factorRefused(r.Context(), p.tenant.ID, p.user.ID, "wrong")
	case errors.Is(cause, ErrTooManyFactors):
		c.Problem, cause = templates.FactorFull, nil
	}
	if cause != nil {
		return away(cause)
	}
	return s.again(w, r, p.login, c)
}

// factorRefused records a proof that was none. Of those that nobody looked at, one a
// minute.
func (s *Server) factorRefused(ctx context.Context, t storage.TenantID, u storage.UserID, reason string) error {
	if reason != "wrong" && !s.strays.Allow(ctx, s.now(), string(t), reason) {
		return nil
	}
	return s.cfg.Store.Tenant(t).AppendEvent(ctx, audit.FactorRefused(ctx, s.now(), u, reason))
}

// proved goes on with a proof: it raises the session, signs in whoever opened a link,
// or is kept for what rests on it.
func (s *Server) proved(w http.ResponseWriter, r *http.Request, p proving, proof Proof, kind string) error {
	raised, enough := p.raised(proof)
	if p.linked() || !enough {
		p.challenge.Proved = s.parked(proof)
		return s.again(w, r, p.login, p.challenge)
	}
	session, err := s.raise(w, r, p, raised, kind)
	if err != nil {
		return err
	}
	if p.session = session; p.login.Need.Level != "" && !session.Level.AtLeast(p.login.Need.Level) {
		p.challenge.Proved = s.parked(proof)
		return s.again(w, r, p.login, p.challenge)
	}
	return s.onward(w, r, p.login, session)
}

// raised is the session with a proof. It says what was proved now, also where that is
// less than before (SE-07). False: it would be less than is needed, so that the proof
// is good for enrolling a better factor, and for nothing else.
func (p proving) raised(proof Proof) (storage.Session, bool) {
	session, level := p.session, p.worth(proof)
	enough := level.AtLeast(p.tenant.Policy.RequireLevel) && (level.AtLeast(session.Level) || level.AtLeast(p.need().Level))
	methods := proof.AMR
	if before := p.challenge.Proved; before != nil {
		methods = union(before.AMR, methods)
	}
	if level != storage.LevelNone {
		methods = union(methods, []string{"mfa"})
	}
	session.Level, session.AMR = level, union(session.AMR, methods)
	return session, enough
}

// worth is the level of a proof. A factor that does not say who somebody is makes no
// second one where there is no first: an e-mail is none (MF-07).
func (p proving) worth(proof Proof) storage.Level {
	if p.local() && p.session.Level == storage.LevelNone && proof.Level != storage.LevelPHR {
		return storage.LevelNone
	}
	return proof.Level
}

// raise stores what a session has proved now, under a new handle (SE-02). A passkey
// that says who somebody is is a whole authentication where nobody else says it.
func (s *Server) raise(w http.ResponseWriter, r *http.Request, p proving, session storage.Session, kind string) (storage.Session, error) {
	ctx, handle := r.Context(), token.NewSecret()
	in := storage.RaiseSession{Was: session.Handle, Handle: hashOf(handle), Level: session.Level, MFAAt: s.now(), AMR: session.AMR}
	if p.local() && kind == "passkey" {
		in.AuthTime, session.AuthTime = s.now(), s.now()
	}
	session.Handle, session.MFAAt, session.Pending = in.Handle, in.MFAAt, false
	err := s.cfg.Store.Tenant(p.tenant.ID).RaiseSession(ctx, session.ID, in, audit.FactorProved(ctx, s.now(), session, kind))
	switch {
	case errors.Is(err, storage.ErrConflict), errors.Is(err, storage.ErrNotFound):
		return session, s.stray(ctx, p.login, refuse("session_expired", err))
	case err != nil:
		return session, away(err)
	}
	return session, s.cookies.put(w, r, sessionCookie+string(p.tenant.ID), handle)
}

// arriveHere signs in whoever opened a link and proved themselves. What the proof is
// worth by itself is the session's level: the link adds nothing to it (MF-07).
func (s *Server) arriveHere(w http.ResponseWriter, r *http.Request, p proving) error {
	proof := p.challenge.Proved
	switch gone, err := s.removed(r.Context(), p, proof.Factor); {
	case err != nil:
		return away(err)
	case gone:
		p.challenge.Proved = nil
		return s.again(w, r, p.login, p.challenge)
	}
	subject := Subject{Issuer: s.cfg.Base, Subject: string(p.user.ID), AuthTime: proof.At, AMR: proof.AMR}
	if proof.Level == storage.LevelPHR {
		subject.Level, subject.AMR = storage.LevelPHR, union(proof.AMR, []string{"mfa"})
	}
	l := p.login
	l.Ceremony = nil
	return s.arrive(w, r, l, arrival{tenant: p.tenant, connection: p.connection, subject: subject})
}

// removed reports whether a factor is there no more: an administrator who resets
// somebody's factors means what was proved by them a moment ago, too.
func (s *Server) removed(ctx context.Context, p proving, id storage.FactorID) (bool, error) {
	if id == "" { // a recovery code, which is used up
		return false, nil
	}
	all, err := s.cfg.Store.Tenant(p.tenant.ID).ListFactors(ctx, p.user.ID)
	return !slices.ContainsFunc(all, func(f storage.Factor) bool { return f.ID == id }), err
}

// askProvider sends somebody to their identity provider for a second factor.
func (s *Server) askProvider(w http.ResponseWriter, r *http.Request, p proving) error {
	l := p.login
	l.Need.Fresh, l.Ceremony = later(l.Need.Fresh, l.Need.Since), nil
	return s.leave(w, r, l, destination{
		tenant: p.tenant, connection: p.connection, email: p.user.Email, contexts: p.connection.Settings.MFA.AskFor,
	})
}
