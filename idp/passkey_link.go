package idp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// linkLife is for how long an e-mailed link works.
const linkLife = 15 * time.Minute

// linkRate is how many links an address gets, at each node.
var linkRate = limit.Rate{Requests: 3, Per: linkLife, Burst: 3}

// linkRoom is how many requests for links are seen to at once. Who finds no room sees
// to it before their answer.
const linkRoom = 32

// linkPatience is how long the store may take over the links of one request.
const linkPatience = 30 * time.Second

// byLink goes on with an address (l.Email) whose domain no tenant has proved, or
// whose tenant has people without a provider: it sends a link to whoever may have one,
// and asks for a passkey. Which address it is makes no difference to the answer, nor
// to when it comes.
func (s *Server) byLink(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	if s.cfg.Prover == nil || s.cfg.Post == nil {
		return refuse("unknown_organization", nil)
	}
	l.Step, l.Session = storage.StepLink, ""
	if l.Purpose == storage.PurposeBreakGlass {
		l.Purpose = storage.PurposeNone
	}
	c, err := s.passkeyChallenge(r.Context(), l.Tenant, "", challenge{})
	if err != nil {
		return err
	}
	if err := c.keep(&l); err != nil {
		return err
	}
	if l, err = s.advance(r.Context(), l); err != nil {
		return err
	}
	s.links.ready(s.cfg.Now)
	s.links.do(func() { s.sendLinks(context.WithoutCancel(r.Context()), l) })
	s.to(w, r, l, "")
	return nil
}

// links is what is seen to after an answer: whether an address is known must not show
// in how long the answer takes. Make it ready first.
type links struct {
	begin sync.Once
	under sync.WaitGroup
	room  chan struct{}
	rate  *limit.Limiter
}

func (k *links) ready(now func() time.Time) {
	k.begin.Do(func() { k.room, k.rate = make(chan struct{}, linkRoom), limit.New(limit.Config{Now: now}) })
}

func (k *links) do(work func()) {
	select {
	case k.room <- struct{}{}:
		k.under.Go(func() {
			defer func() { <-k.room }()
			work()
		})
	default:
		work()
	}
}

// Wait returns when the links that were asked for are on their way. Call it after the
// last request.
func (s *Server) Wait() { s.links.under.Wait() }

// sendLinks queues a link for each account that the address has. What fails is in the
// trail; the person asks once more.
func (s *Server) sendLinks(ctx context.Context, l storage.Login) {
	ctx, cancel := context.WithTimeout(ctx, linkPatience)
	defer cancel()
	address := strings.ToLower(l.Email)
	if s.links.rate.Take(ctx, address, linkRate).Over {
		return
	}
	accounts, err := s.cfg.Store.LocalAccounts(ctx, address)
	for _, a := range accounts {
		if l.Tenant == "" || l.Tenant == a.Tenant.ID {
			err = s.sendLink(ctx, l, a)
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		page := web.Refuse(http.StatusServiceUnavailable, "link_not_sent", "The link was not sent.", err)
		_ = s.stray(ctx, l, page) // nobody waits for the answer
	}
}

// sendLink stores a link, and the mail that carries it to the address that the account
// has.
func (s *Server) sendLink(ctx context.Context, l storage.Login, a storage.LocalAccount) error {
	if _, local, err := s.localConnection(ctx, a.Tenant.ID, a.User.ID); err != nil || !local {
		return err
	}
	now, secret := s.now(), token.NewSecret()
	link := storage.EmailLink{
		Hash: hashOf(secret), User: a.User.ID, Email: a.User.Email, Purpose: storage.LinkSignIn, Login: l.ID,
		CreatedAt: now, ExpiresAt: now.Add(linkLife),
	}
	m, err := s.cfg.Post.Prepare(a.Tenant.ID, mail.Message{
		Kind: mail.SignInLink, To: a.User.Email, Life: linkLife,
		Fields: map[string]string{"link": LinkURL(s.cfg.Base, a.Tenant.ID, secret), "tenant": a.Tenant.Name},
	})
	if err != nil {
		return err
	}
	return s.cfg.Store.Tenant(a.Tenant.ID).CreateEmailLink(ctx, link, m, audit.LinkSent(ctx, now, a.User.ID, link.Purpose))
}

// linkStep shows the page of StepLink. A challenge that was answered is made anew.
func (s *Server) linkStep(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	c, err := challengeOf(l)
	if err != nil {
		return err
	}
	if c.Kind == challengeNone {
		if c, err = s.passkeyChallenge(r.Context(), l.Tenant, "", c); err != nil {
			return err
		}
		if ok, err := s.pose(w, r, &l, c); !ok {
			return err
		}
	}
	s.mayLeave(w, l)
	if len(c.Options) > 0 {
		web.AllowScript(w, templates.PasskeyScriptHash)
	}
	if l.Purpose == storage.PurposeBreakGlass {
		html(w)
		return templates.PasskeyEmergency(w, templates.PasskeyEmergencyPage{
			Action: s.url(l, "factor"), State: s.stateAt(l), Problem: c.Problem, PasskeyOptions: string(c.Options),
		})
	}
	p := templates.PasskeyLinkPage{
		Action: s.url(l, "factor"), State: s.stateAt(l), Email: l.Email, Problem: c.Problem,
		OtherURL: s.url(l, "email"), PasskeyOptions: string(c.Options),
	}
	if l.Request != nil {
		v, err := s.view(r, l)
		if err != nil {
			return err
		}
		p.AppName = v.appName()
	}
	html(w)
	return templates.PasskeyLink(w, p)
}

// passkeyInstead takes a passkey in place of an e-mailed link.
func (s *Server) passkeyInstead(w http.ResponseWriter, r *http.Request, l storage.Login, c challenge, fields web.Form) error {
	if c.Kind != challengeProof || len(c.Kept) == 0 {
		return refuse("bad_request", nil)
	}
	proof, err := s.cfg.Prover.Assert(r.Context(), l.Tenant, c.Kept, []byte(fields.Get(templates.FieldResponse)))
	switch {
	case errors.Is(err, ErrWrongFactor):
		return s.strangePasskey(w, r, l)
	case err != nil:
		return away(err)
	case l.Purpose == storage.PurposeBreakGlass:
		return s.emergency(w, r, l, proof)
	}
	con, found, err := s.localConnection(r.Context(), proof.Tenant, proof.User)
	switch {
	case err != nil:
		return away(err)
	case !found || (l.Connection != "" && l.Connection != con.ID):
		return s.strangePasskey(w, r, l)
	}
	l.Step, l.Tenant, l.Connection = storage.StepFactor, proof.Tenant, con.ID
	c = challenge{Person: proof.User, Proved: s.parked(proof)}
	p, err := s.proving(r, l, c)
	if err != nil {
		return err
	}
	return s.arriveHere(w, r, p)
}

// strangePasskey says that a passkey is good for nothing here: of somebody unknown, or
// of somebody who signs in through their provider (MF-09).
func (s *Server) strangePasskey(w http.ResponseWriter, r *http.Request, l storage.Login) error {
	page := refuse("access_denied", ErrWrongFactor)
	if err := s.stray(r.Context(), l, page); err != error(page) {
		return err
	}
	return s.again(w, r, l, challenge{Problem: templates.FactorPasskey})
}

// localConnection finds where somebody signs in without a provider. False: they do not.
// Whoever has come through a provider is that provider's from then on: what they signed
// in by before would outlast their dismissal there.
func (s *Server) localConnection(ctx context.Context, t storage.TenantID, u storage.UserID) (storage.Connection, bool, error) {
	tenant := s.cfg.Store.Tenant(t)
	if federated, err := s.federated(ctx, tenant, u); federated || err != nil {
		return storage.Connection{}, false, err
	}
	ids, err := tenant.Identities(ctx, u)
	if err != nil {
		return storage.Connection{}, false, err
	}
	all, err := tenant.ListConnections(ctx)
	if err != nil {
		return storage.Connection{}, false, err
	}
	for _, con := range all {
		theirs := storage.Identity{Connection: con.ID, Issuer: s.cfg.Base, Subject: string(u)}
		if con.Kind == storage.Passkey && con.DisabledAt.IsZero() && slices.Contains(ids, theirs) {
			return con, true, nil
		}
	}
	return storage.Connection{}, false, nil
}
