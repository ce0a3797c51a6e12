package idp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// challengeKind is what a page about factors asks for.
type challengeKind string

const (
	challengeNone    challengeKind = ""
	challengeProof   challengeKind = "proof"
	challengePasskey challengeKind = "passkey" // to enrol
	challengeApp     challengeKind = "app"     // to enrol
)

// challenge is what a transaction keeps, in Login.Ceremony, between a page about
// factors and its answer. It belongs to one version of the transaction: with the
// answer, right or wrong, it is used up (MF-10).
type challenge struct {
	Kind challengeKind `json:"kind,omitempty"`
	// Options is for the browser, and Kept for the Prover or the Enroller.
	Options json.RawMessage `json:"options,omitempty"`
	Kept    []byte          `json:"kept,omitempty"`
	// Problem is the sentence about the answer before.
	Problem string `json:"problem,omitempty"`
	// Person opened an e-mailed link, and is not signed in yet.
	Person storage.UserID `json:"person,omitempty"`
	// Proved is what was proved in this transaction and is in no session yet.
	Proved *proved `json:"proved,omitempty"`
}

// proved is a proof that waits for a session that it is good for.
type proved struct {
	AMR   []string      `json:"amr"`
	Level storage.Level `json:"level,omitempty"`
	At    time.Time     `json:"at"`
	// Factor is what it was proved by; "" for a recovery code.
	Factor storage.FactorID `json:"factor,omitempty"`
}

// parked is a proof as it waits.
func (s *Server) parked(proof Proof) *proved {
	return &proved{AMR: proof.AMR, Level: proof.Level, At: s.now(), Factor: proof.Factor}
}

// challengeOf reads what a transaction keeps.
func challengeOf(l storage.Login) (challenge, error) {
	var c challenge
	if len(l.Ceremony) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(l.Ceremony, &c); err != nil {
		return c, fmt.Errorf("idp: ceremony of %s: %w", l.ID, err)
	}
	return c, nil
}

// spent is what is left of a challenge once it is answered.
func (c challenge) spent() challenge { return challenge{Person: c.Person, Proved: c.Proved} }

// keep puts a challenge into a transaction.
func (c challenge) keep(l *storage.Login) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("idp: ceremony of %s: %w", l.ID, err)
	}
	l.Ceremony = raw
	return nil
}

// pose stores a new challenge. False: the same person was faster in another tab, and
// was sent to what is asked there.
func (s *Server) pose(w http.ResponseWriter, r *http.Request, l *storage.Login, c challenge) (bool, error) {
	if err := c.keep(l); err != nil {
		return false, err
	}
	err := s.cfg.Store.AdvanceLogin(r.Context(), *l, s.now())
	switch {
	case errors.Is(err, storage.ErrConsumed):
		s.to(w, r, *l, "")
		return false, nil
	case err != nil:
		return false, away(err)
	}
	l.Version++
	return true, nil
}

// again leads back to the page of a transaction, with what was wrong.
func (s *Server) again(w http.ResponseWriter, r *http.Request, l storage.Login, c challenge) error {
	if err := c.keep(&l); err != nil {
		return err
	}
	l, err := s.advance(r.Context(), l)
	if err != nil {
		return err
	}
	s.to(w, r, l, "")
	return nil
}

// answer takes the answer to a challenge: a form of one of the steps, from the browser
// that was shown it. The challenge is used up before anybody looks at the answer.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, steps ...storage.LoginStep) (storage.Login, challenge, web.Form, error) {
	none := challenge{}
	l, fields, err := s.form(w, r)
	if err != nil {
		return l, none, fields, err
	}
	if !slices.Contains(steps, l.Step) || !s.cfg.Steps.Verify(l, l.Step, s.browser(r, l.ID), fields.Get("verifier")) {
		return l, none, fields, s.stray(r.Context(), l, refuse("already_used", nil))
	}
	c, err := challengeOf(l)
	if err != nil {
		return l, none, fields, err
	}
	if err := c.spent().keep(&l); err != nil {
		return l, none, fields, err
	}
	l, err = s.advance(r.Context(), l)
	return l, c, fields, err
}

// passkeyChallenge has the Prover make a challenge; there is none where there are no
// passkeys.
func (s *Server) passkeyChallenge(ctx context.Context, t storage.TenantID, u storage.UserID, c challenge) (challenge, error) {
	c.Kind = challengeProof
	if s.cfg.Prover == nil {
		return c, nil
	}
	options, kept, err := s.cfg.Prover.Challenge(ctx, t, u)
	switch {
	case errors.Is(err, ErrNoPasskeys), errors.Is(err, ErrWrongFactor):
		return c, nil
	case err != nil:
		return c, away(err)
	}
	c.Options, c.Kept = options, kept
	return c, nil
}
