package idp

import (
	"context"
	"net/http"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// postEnrol takes what enrols a factor. What may be enrolled the step says, not the
// form.
func (s *Server) postEnrol(w http.ResponseWriter, r *http.Request) error {
	l, c, fields, err := s.answer(w, r, storage.StepFactor)
	if err != nil {
		return err
	}
	if s.cfg.Prover == nil || s.cfg.Enroller == nil {
		return refuse("not_found", nil)
	}
	p, err := s.proving(r, l, c.spent())
	if err != nil {
		return err
	}
	next, way := p.asks(), fields.Get(templates.FieldWay)
	switch {
	case way == templates.WayCancel:
		return s.unmet(w, r, p)
	case next == askCodes && way == templates.WayCodes:
		return s.renewCodes(w, r, p)
	case next == askEnrolment && way == templates.WayApp:
		return s.chooseApp(w, r, p)
	case next == askEnrolment && way == templates.WayOther:
		return s.again(w, r, p.login, p.challenge)
	case next != askEnrolment && next != askPasskey && next != askApp:
		return s.stray(r.Context(), l, refuse("already_used", nil))
	}
	return s.enrol(w, r, p, c, fields)
}

// chooseApp goes on to the page of an authenticator app.
func (s *Server) chooseApp(w http.ResponseWriter, r *http.Request, p proving) error {
	c, err := s.newApp(r.Context(), p, p.challenge)
	if err != nil {
		return err
	}
	return s.again(w, r, p.login, c)
}

// enrol adds the factor that the challenge was about.
func (s *Server) enrol(w http.ResponseWriter, r *http.Request, p proving, c challenge, fields web.Form) error {
	proof, kind, err := s.added(r.Context(), p, c, fields)
	if err != nil {
		if c.Kind == challengeApp { // the app has the seed by now
			p.challenge.Kind, p.challenge.Kept = c.Kind, c.Kept
		}
		return s.notProved(w, r, p, err)
	}
	session, enough := p.raised(proof)
	switch {
	case p.linked() || !enough:
		p.challenge.Proved = s.parked(proof)
	default:
		if p.session, err = s.raise(w, r, p, session, kind+"_added"); err != nil {
			return err
		}
		p.challenge = challenge{}
	}
	p.login.Purpose = storage.PurposeNone
	if p.login.Need.First {
		p.login.Need.First, p.login.Need.Fresh = false, time.Time{}
	}
	if p.ways.None() {
		return s.showCodes(w, r, p)
	}
	return s.again(w, r, p.login, p.challenge)
}

func (s *Server) added(ctx context.Context, p proving, c challenge, fields web.Form) (proof Proof, kind string, err error) {
	t, name, way := p.tenant.ID, fields.Get(templates.FieldName), fields.Get(templates.FieldWay)
	switch {
	case c.Kind == challengePasskey && way == templates.WayPasskey && len(c.Kept) > 0:
		proof, err = s.cfg.Enroller.AddPasskey(ctx, t, p.user, c.Kept, []byte(fields.Get(templates.FieldResponse)), name)
		return proof, "passkey", err
	case c.Kind == challengeApp && way == templates.WayCode:
		proof, err = s.cfg.Enroller.AddTOTP(ctx, t, p.user, c.Kept, fields.Get(templates.FieldCode), name)
		return proof, "totp", err
	}
	return proof, "", refuse("bad_request", nil)
}

// renewCodes makes new recovery codes, for whoever came for that.
func (s *Server) renewCodes(w http.ResponseWriter, r *http.Request, p proving) error {
	p.login.Purpose = storage.PurposeNone
	return s.showCodes(w, r, p)
}

// showCodes makes new recovery codes and shows them, once: nobody can read them again.
// The transaction waits at the factor step, which has nothing more to ask.
func (s *Server) showCodes(w http.ResponseWriter, r *http.Request, p proving) error {
	if err := p.challenge.keep(&p.login); err != nil {
		return err
	}
	l, err := s.advance(r.Context(), p.login)
	if err != nil {
		return err
	}
	codes, err := s.cfg.Enroller.NewRecoveryCodes(r.Context(), p.tenant.ID, p.user.ID)
	if err != nil {
		return away(err)
	}
	html(w)
	return templates.FactorCodes(w, templates.FactorCodesPage{
		TenantName: p.tenant.Name, UserEmail: p.user.Email, Codes: codes, Replaced: p.ways.RecoveryCodes > 0, NextURL: s.url(l, ""),
	})
}
