package idp

import (
	"net/http"
	"slices"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// freshFor is how new, at the begin of a transaction, an authentication has to be in
// which factors are enrolled (MF-08).
const freshFor = 5 * time.Minute

// onward takes a transaction on after somebody has signed in: to the factor step when
// the session has not what l.Need says, or the transaction is for a factor, and
// otherwise to the app's question or to where they came from.
func (s *Server) onward(w http.ResponseWriter, r *http.Request, l storage.Login, session storage.Session) error {
	l.Step, l.Session, l.Ceremony = storage.StepConsent, session.ID, nil
	if session.Pending || !l.Need.Met(session) || aboutFactors(l.Purpose) {
		l.Step = storage.StepFactor
	} else if l.Request == nil {
		return s.home(w, r, l)
	}
	var err error
	if l.Browser, err = s.bind(w, r, l.ID); err != nil {
		return err
	}
	if l, err = s.advance(r.Context(), l); err != nil {
		return err
	}
	s.to(w, r, l, "")
	return nil
}

// aboutFactors reports whether somebody signs in to change their factors.
func aboutFactors(p storage.LoginPurpose) bool {
	return p == storage.PurposeEnrolPasskey || p == storage.PurposeEnrolTOTP || p == storage.PurposeRecoveryCodes
}

// proving is what the factor step is decided on.
type proving struct {
	login      storage.Login
	challenge  challenge
	tenant     storage.Tenant
	connection storage.Connection
	user       storage.User
	// session is the zero value for somebody who opened an e-mailed link.
	session storage.Session
	ways    Ways
	appName string // "" for a sign-in to our own pages
}

// proving reads it. Whoever is at the factor step has a session that may be pending,
// or opened a link.
func (s *Server) proving(r *http.Request, l storage.Login, c challenge) (proving, error) {
	p, err := s.whoProves(r, l, c)
	if err != nil {
		return p, err
	}
	if page := s.closed(destination{tenant: p.tenant, connection: p.connection}); page != nil {
		return p, page
	}
	if !p.user.DisabledAt.IsZero() {
		return p, s.refuseIn(p.tenant, "user_suspended", "")
	}
	if l.Request != nil {
		v, err := s.view(r, l)
		if err != nil {
			return p, err
		}
		p.appName = v.appName()
	}
	if s.cfg.Prover != nil {
		if p.ways, err = s.cfg.Prover.Ways(r.Context(), p.tenant.ID, p.user.ID); err != nil {
			return p, away(err)
		}
	}
	return p, nil
}

func (s *Server) whoProves(r *http.Request, l storage.Login, c challenge) (p proving, err error) {
	p.login, p.challenge = l, c
	ctx, tenant := r.Context(), s.cfg.Store.Tenant(l.Tenant)
	if c.Person != "" && l.Session == "" {
		if p.tenant, err = s.cfg.Store.TenantByID(ctx, l.Tenant); err != nil {
			return p, away(err)
		}
		if p.user, err = tenant.User(ctx, c.Person); err != nil {
			return p, away(err)
		}
	} else {
		all, err := s.sessions(r)
		if err != nil {
			return p, away(err)
		}
		i := slices.IndexFunc(all, func(live storage.LiveSession) bool {
			return live.ID == l.Session && live.Tenant.ID == l.Tenant && live.Standing(s.now())
		})
		if i < 0 {
			return p, s.gone(all, l)
		}
		p.tenant, p.user, p.session = all[i].Tenant, all[i].UserInfo, all[i].Session
		l.Connection = p.session.Connection
	}
	if p.connection, err = tenant.Connection(ctx, l.Connection); err != nil {
		return p, away(err)
	}
	return p, nil
}

// linked reports whether the person opened an e-mailed link and is not signed in.
func (p proving) linked() bool { return p.session.ID == "" }

// local reports whether the person signs in here, and nowhere else.
func (p proving) local() bool { return p.connection.Kind == storage.Passkey }

// ask is what the factor step does next.
type ask int

const (
	askNothing   ask = iota // what is needed is there
	askArrival              // sign in whoever opened a link, and proved themselves
	askAgain                // authenticate anew, where they did
	askProof                // prove a factor
	askEnrolment            // enrol one
	askPasskey              // enrol a passkey
	askApp                  // enrol an authenticator app
	askCodes                // make new recovery codes
)

// asks decides on exactly what is missing, in the order in which one rests on the
// other: a whole authentication, a factor, a new factor.
func (p proving) asks() ask {
	switch {
	case p.linked() && p.challenge.Proved != nil:
		return askArrival
	case p.linked() && p.ways.None():
		return askPasskey
	case p.linked():
		return askProof
	}
	need := p.need()
	switch {
	case !(storage.Need{Fresh: need.Fresh}).Met(p.session):
		return p.anew()
	case !(storage.Need{Level: need.Level, Since: need.Since}).Met(p.session):
		return p.factor(need)
	case p.session.Pending: // the policy has become milder meanwhile
		return askAgain
	}
	return map[storage.LoginPurpose]ask{
		storage.PurposeEnrolPasskey: askPasskey, storage.PurposeEnrolTOTP: askApp, storage.PurposeRecoveryCodes: askCodes,
	}[p.login.Purpose]
}

// need is what the transaction needs; to change one's factors takes a fresh proof of
// one of them, or of who one is where there is none yet (MF-08).
func (p proving) need() storage.Need {
	n := p.login.Need
	switch {
	case p.silent():
		n.Fresh = time.Time{}
	case !aboutFactors(p.login.Purpose):
	case p.local() || p.ways.None():
		n.Fresh = later(n.Fresh, p.newEnough())
	default:
		n.Since = later(n.Since, p.newEnough())
		if !n.Level.AtLeast(storage.LevelMFA) {
			n.Level = storage.LevelMFA
		}
	}
	return n
}

func (p proving) newEnough() time.Time { return p.login.CreatedAt.Add(-freshFor) }

// anew asks for a whole authentication. Somebody who has a passkey and no provider
// gives it right here.
func (p proving) anew() ask {
	if p.local() && p.passkeys() {
		return askProof
	}
	return askAgain
}

// factor asks for a factor: for one that they have, if it is good enough, or for a new
// one. Whoever has no passkey where one is needed first proves what they have.
func (p proving) factor(need storage.Need) ask {
	good := p.passkeys() || (p.ways.TOTP > 0 && !p.passkeyOnly(need))
	switch {
	case p.challenge.Proved != nil && p.passkeyOnly(need): // by what they have left
		return askPasskey
	case good:
		return askProof
	case p.provenAnew() && p.passkeyOnly(need):
		return askPasskey
	case p.provenAnew():
		return askEnrolment
	case p.ways.None() || p.local():
		return askAgain
	}
	return askProof
}

func (p proving) passkeys() bool { return p.ways.Passkeys > 0 && !p.ways.NoPasskeys }

// passkeyOnly reports whether nothing but a passkey gives what is needed: it has to
// resist phishing, or there is no first factor that another would be the second to.
func (p proving) passkeyOnly(need storage.Need) bool {
	return need.Level == storage.LevelPHR || (p.local() && p.session.Level == storage.LevelNone)
}

// outranked reports whether a code is not taken: whoever has a passkey where one is
// needed proves that, and no code that somebody may have talked out of them enrols
// another. Who has lost it has recovery codes, and an administrator.
func (p proving) outranked() bool { return p.passkeys() && p.passkeyOnly(p.need()) }

// provenAnew reports whether the person proved one of their factors just now, or, if
// they have none, who they are. Nobody signs in here without a factor, if they have
// one.
func (p proving) provenAnew() bool {
	if p.ways.None() || p.local() {
		return p.silent() || storage.Need{Fresh: p.newEnough()}.Met(p.session)
	}
	return storage.Need{Level: storage.LevelMFA, Since: p.newEnough()}.Met(p.session)
}

// silent reports whether somebody without a factor came back in this transaction from a
// provider that was asked to authenticate them anew, and says of nobody when it did.
// Whoever stole their session could not have come that way.
func (p proving) silent() bool {
	return p.login.Need.First && p.ways.None() && p.session.AuthTime.IsZero() && !p.session.CreatedAt.Before(p.login.CreatedAt)
}

// onlyFirst reports whether nothing but a first factor that is to be enrolled asks for a
// new authentication: not the app's request, nor a page of ours.
func (p proving) onlyFirst() bool {
	return p.ways.None() && !p.local() && (p.login.Need.First || p.login.Need.Fresh.IsZero())
}

// factorStep shows what the transaction still needs, or goes on.
func (s *Server) factorStep(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	c, err := challengeOf(l)
	if err != nil {
		return err
	}
	p, err := s.proving(r, l, c)
	if err != nil {
		return err
	}
	next := p.asks()
	switch {
	case next == askNothing:
		return s.onward(w, r, l, p.session)
	case next == askArrival:
		return s.arriveHere(w, r, p)
	case s.cfg.Prover == nil || s.cfg.Enroller == nil:
		return s.unmet(w, r, p)
	case next == askAgain:
		return s.authenticateAnew(w, r, p)
	}
	return s.factorPage(w, r, p, next)
}

// authenticateAnew sends somebody to where they authenticate.
func (s *Server) authenticateAnew(w http.ResponseWriter, r *http.Request, p proving) error {
	l := p.login
	l.Need.First = p.onlyFirst()
	l.Need.Fresh, l.Ceremony = later(p.need().Fresh, p.newEnough()), nil
	return s.leave(w, r, l, destination{tenant: p.tenant, connection: p.connection, email: p.user.Email})
}

// unmet gives up: the app is told that its request cannot be answered (OpenID Connect
// Core Error Code unmet_authentication_requirements section 1), and never gets less
// than it asked for (MF-03).
func (s *Server) unmet(w http.ResponseWriter, r *http.Request, p proving) error {
	switch {
	case p.login.Request != nil:
		return s.deny(w, r, p.login, "unmet_authentication_requirements")
	case p.linked() || p.session.Pending:
		return s.refused(r.Context(), p.login, s.refuseIn(p.tenant, "access_denied", ""))
	}
	return s.home(w, r, p.login)
}
