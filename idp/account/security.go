package account

import (
	"slices"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// security shows somebody's second factors.
func (p *Pages) security(v visit) error {
	factors, con, err := p.factors(v)
	if err != nil {
		return err
	}
	ways, err := p.ways(v)
	if err != nil {
		return err
	}
	s := templates.AccountSecurityPage{
		AccountFrame: p.frame(v, templates.AccountTabSecurity), Needed: string(v.live.Tenant.Policy.RequireLevel), RecoveryCodes: ways.RecoveryCodes,
	}
	for _, f := range factors {
		s.Factors = append(s.Factors, p.factor(v, f, con, factors))
	}
	if p.cfg.Prover != nil {
		p.offer(v, &s, ways)
	}
	if err := p.offerToEnd(v, &s, factors); err != nil {
		return err
	}
	p.mayLeave(v.w)
	html(v.w)
	return templates.AccountSecurity(v.w, s)
}

// factors are the person's, and where they sign in, which has a say in which may go.
func (p *Pages) factors(v visit) ([]storage.Factor, storage.Connection, error) {
	all, err := p.tenant(v).ListFactors(v.r.Context(), v.live.User)
	if err != nil {
		return nil, storage.Connection{}, away(err)
	}
	con, err := p.connection(v, v.live.Connection)
	return all, con, err
}

// factor is one of them as people read it.
func (p *Pages) factor(v visit, f storage.Factor, con storage.Connection, all []storage.Factor) templates.AccountFactor {
	now := p.now()
	shown := templates.AccountFactor{
		Name: f.Name, RenameURL: p.at(v, "factors", string(f.ID), "name"), Passkey: f.Kind == storage.FactorPasskey,
		Added: templates.NewAccountMoment(f.CreatedAt, now), Used: templates.NewAccountMoment(f.LastUsedAt, now),
	}
	if p.cfg.Prover != nil && idp.Removable(v.live.Tenant.Policy, con.Kind, all, f.ID) {
		shown.RemoveURL = p.at(v, "factors", string(f.ID))
	}
	return shown
}

// offer says what can be added.
func (p *Pages) offer(v visit, s *templates.AccountSecurityPage, ways idp.Ways) {
	s.NoPasskeys, s.Full = ways.NoPasskeys, len(s.Factors) >= idp.MaxFactors
	if !s.Full {
		s.AddAppURL = p.at(v, "security", "app")
		if !s.NoPasskeys {
			s.AddPasskeyURL = p.at(v, "security", "passkey")
		}
	}
	if len(s.Factors) > 0 {
		s.RenewURL = p.at(v, "security", "codes")
	}
}

// offerToEnd offers to end the other sessions, after a factor was added or removed: if
// it was because somebody else may have been there, they still are (SE-09).
func (p *Pages) offerToEnd(v visit, s *templates.AccountSecurityPage, factors []storage.Factor) error {
	moment := p.now().Add(-sessionAge)
	added := slices.ContainsFunc(factors, func(f storage.Factor) bool { return f.CreatedAt.After(moment) })
	if !added && p.said(v) != "removed" {
		return nil
	}
	others, err := p.others(v)
	if err != nil {
		return err
	}
	s.OtherSessions, s.Changed, s.EndOthersURL = len(others), len(others) > 0, p.at(v, "sessions", "others")
	return nil
}

// add leads to where a factor is enrolled, or recovery codes are made: somebody who
// has a factor proves it there first, and everybody else who they are.
func (p *Pages) add(purpose storage.LoginPurpose) form {
	return func(v visit, _ web.Form) error {
		if p.cfg.Prover == nil {
			return unknown(nil)
		}
		need, err := p.toChangeFactors(v)
		if err != nil {
			return err
		}
		return p.cfg.People.StepUp(v.w, v.r, v.live, need.ask, purpose, p.at(v, "security"))
	}
}
