package idp

import (
	"context"
	"errors"
	"net/http"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// factorPage shows a page of the factor step. What it asks is posed once: whoever
// loads it again is asked the same.
func (s *Server) factorPage(w http.ResponseWriter, r *http.Request, p proving, next ask) error {
	posed, err := s.posed(r.Context(), p, next)
	if err != nil {
		return err
	}
	if posed.Kind != p.challenge.Kind {
		if ok, err := s.pose(w, r, &p.login, posed); !ok {
			return err
		}
		p.challenge = posed
	}
	s.mayLeave(w, p.login)
	if len(p.challenge.Options) > 0 {
		web.AllowScript(w, templates.PasskeyScriptHash)
	}
	html(w)
	switch {
	case next == askCodes:
		return templates.FactorRenew(w, templates.FactorRenewPage{
			Action: s.url(p.login, "enrol"), State: s.stateAt(p.login), Left: p.ways.RecoveryCodes, Cancel: p.cancel(),
		})
	case p.challenge.Kind == challengeProof:
		return templates.Factor(w, s.proofPage(p))
	case p.challenge.Kind == challengeApp:
		return s.appPage(w, p, next)
	}
	return templates.FactorEnrol(w, templates.FactorEnrolPage{
		Action: s.url(p.login, "enrol"), State: s.stateAt(p.login), TenantName: p.tenant.Name, UserEmail: p.user.Email,
		Problem: p.challenge.Problem, PasskeyOptions: string(p.challenge.Options), App: next == askEnrolment,
		Asked: aboutFactors(p.login.Purpose), First: p.linked(), AppName: p.asking(), Cancel: p.cancel(),
	})
}

// asking is the app for whose request a factor is missing; "" where the organization
// wants one of everybody.
func (p proving) asking() string {
	if p.tenant.Policy.RequireLevel != storage.LevelNone {
		return ""
	}
	return p.appName
}

// posed is the challenge of a page, which is the present one if that is of its kind.
func (s *Server) posed(ctx context.Context, p proving, next ask) (challenge, error) {
	c := p.challenge.spent()
	c.Problem = p.challenge.Problem
	switch {
	case next == askCodes:
		return p.challenge, nil
	case next == askProof && p.challenge.Kind != challengeProof:
		return s.passkeyChallenge(ctx, p.tenant.ID, p.user.ID, c)
	case next == askApp && p.challenge.Kind != challengeApp:
		return s.newApp(ctx, p, c)
	case next == askPasskey && p.challenge.Kind != challengePasskey,
		next == askEnrolment && p.challenge.Kind != challengePasskey && p.challenge.Kind != challengeApp:
		return s.newPasskey(ctx, p, c)
	}
	return p.challenge, nil
}

func (s *Server) newPasskey(ctx context.Context, p proving, c challenge) (challenge, error) {
	options, kept, err := s.cfg.Enroller.NewPasskey(ctx, p.tenant.ID, p.user)
	c.Kind = challengePasskey
	switch {
	case errors.Is(err, ErrNoPasskeys):
		return c, nil
	case errors.Is(err, ErrTooManyFactors):
		c.Problem = templates.FactorFull
		return c, nil
	case err != nil:
		return c, away(err)
	}
	c.Options, c.Kept = options, kept
	return c, nil
}

func (s *Server) newApp(ctx context.Context, p proving, c challenge) (challenge, error) {
	_, kept, err := s.cfg.Enroller.NewTOTP(ctx, p.tenant.ID, p.user)
	if errors.Is(err, ErrTooManyFactors) {
		c.Kind, c.Problem = challengePasskey, templates.FactorFull
		return c, nil
	}
	if err != nil {
		return c, away(err)
	}
	c.Kind, c.Kept = challengeApp, kept
	return c, nil
}

func (s *Server) proofPage(p proving) templates.FactorPage {
	page := templates.FactorPage{
		Action: s.url(p.login, "factor"), State: s.stateAt(p.login), AppName: p.appName, TenantName: p.tenant.Name,
		UserEmail: p.user.Email, Problem: p.challenge.Problem, Cancel: p.cancel(), PasskeyOptions: string(p.challenge.Options),
	}
	// For a whole authentication nothing but a passkey is good.
	if p.linked() || (storage.Need{Fresh: p.need().Fresh}).Met(p.session) {
		page.Code, page.Recovery = p.ways.TOTP > 0 && !p.outranked(), p.ways.RecoveryCodes > 0
	}
	if len(p.connection.Settings.MFA.AskFor) > 0 && !p.linked() {
		page.Provider = p.connection.Name
	}
	return page
}

func (s *Server) appPage(w http.ResponseWriter, p proving, next ask) error {
	seed, err := s.cfg.Enroller.ShowTOTP(p.tenant.ID, p.user, p.challenge.Kept)
	if err != nil {
		return err
	}
	return templates.FactorApp(w, templates.FactorAppPage{
		Action: s.url(p.login, "enrol"), State: s.stateAt(p.login), TenantName: p.tenant.Name, UserEmail: p.user.Email,
		Problem: p.challenge.Problem, Secret: seed.Secret, QR: seed.QR, Other: next == askEnrolment,
	})
}

// cancel is the label of the button that gives up. Whoever is not signed in and came
// by themselves has nothing to go back to.
func (p proving) cancel() string {
	if p.login.Request == nil && (p.linked() || p.session.Pending) {
		return ""
	}
	return "Not now"
}

// stateAt ties a form to the step at which a transaction stands.
func (s *Server) stateAt(l storage.Login) templates.State {
	return templates.State{Transaction: string(l.ID), Verifier: s.cfg.Steps.Verifier(l, l.Step)}
}
