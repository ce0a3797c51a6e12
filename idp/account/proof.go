package account

import (
	"net/http"
	"strings"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

const (
	// factorAge is how old the proof may be of whoever changes their factors (MF-08).
	factorAge = 5 * time.Minute
	// sessionAge is how old it may be of whoever ends other sessions (SE-08).
	sessionAge = 15 * time.Minute
)

// proof is what a session still has to prove before something is done, in the two ways
// that there are.
type proof struct {
	// ask is what is asked for: one of their factors, or, of people who have none, who
	// they are.
	ask storage.Need
	// or is good as well.
	or storage.Need
}

// missing reports whether the session has proved neither.
func (n proof) missing(s storage.Session) bool { return !n.ask.Met(s) && !n.or.Met(s) }

// ways are what the person can prove themselves by.
func (p *Pages) ways(v visit) (idp.Ways, error) {
	if p.cfg.Prover == nil {
		return idp.Ways{}, nil
	}
	w, err := p.cfg.Prover.Ways(v.r.Context(), v.live.Tenant.ID, v.live.User)
	if err != nil {
		return w, away(err)
	}
	return w, nil
}

// byFactor asks whoever has a factor for one, at the level of the tenant's policy or at
// mfa, and everybody else for a whole authentication.
func (p *Pages) byFactor(v visit, ways idp.Ways, age time.Duration) storage.Need {
	moment := p.now().Add(-age)
	if ways.None() {
		return storage.Need{Fresh: moment}
	}
	level := v.live.Tenant.Policy.RequireLevel
	if !level.AtLeast(storage.LevelMFA) {
		level = storage.LevelMFA
	}
	return storage.Need{Level: level, Since: moment}
}

// toChangeFactors is what it takes to change one's factors.
func (p *Pages) toChangeFactors(v visit) (proof, error) {
	ways, err := p.ways(v)
	need := p.byFactor(v, ways, factorAge)
	return proof{ask: need, or: need}, err
}

// toEndSessions is what it takes to end other sessions: any recent proof will do.
func (p *Pages) toEndSessions(v visit) (proof, error) {
	ways, err := p.ways(v)
	return proof{ask: p.byFactor(v, ways, sessionAge), or: storage.Need{Fresh: p.now().Add(-sessionAge)}}, err
}

// proven reports whether what was posted may be done now: the person agreed on a page
// that offered it, and has proved lately who they are. Where it may not, an answer was
// written that leads them to what is missing, and back to that page.
func (p *Pages) proven(v visit, fields web.Form, n proof, back string) (bool, error) {
	switch {
	case n.missing(v.live.Session):
		return false, p.cfg.People.StepUp(v.w, v.r, v.live, n.ask, storage.PurposeNone, back)
	case fields.Get(templates.FieldStep) != templates.StepDo:
		return false, p.done(v, back, "")
	}
	return true, nil
}

// mayLeave lets the forms of a page lead to an identity provider by way of redirects:
// browsers check each hop (SE-13). Plain http only where we are on it ourselves.
func (p *Pages) mayLeave(w http.ResponseWriter) {
	web.AllowFormAction(w, "https:")
	if strings.HasPrefix(p.origin, "http:") {
		web.AllowFormAction(w, "http://127.0.0.1:*")
		web.AllowFormAction(w, "http://localhost:*")
	}
}
