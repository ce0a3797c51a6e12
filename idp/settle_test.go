package idp_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/watchgate/watchgate/storage"
)

// settler is the engine, as one that answers at once.
type settler struct {
	*engine
	h       *house
	settled int
	// fail is what the code's statement says.
	fail error
}

func (s *settler) Settle(w http.ResponseWriter, r *http.Request, req storage.AuthorizeRequest, live storage.LiveSession, before func() error) (bool, error) {
	_, all, err := s.h.store.AuthorizeView(r.Context(), req.Client, "app.example", "", [][]byte{live.Handle})
	if err != nil || s.ask {
		return false, err
	}
	if err := before(); err != nil {
		return true, err
	}
	s.settled++
	if s.fail != nil {
		return true, s.fail
	}
	return true, s.Approve(w, r, req, all[0], 0)
}

func settling(t *testing.T) (*house, *settler) {
	t.Helper()
	h := newHouse(t)
	s := &settler{engine: h.engine, h: h}
	h.engine.ask = false
	h.server.SetAuthorizer(s)
	return h, s
}

func TestWhoIsAskedNothingIsAnsweredWhereTheyArrive(t *testing.T) {
	h, s := settling(t)
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	if to := b.get(back).location(); to != "https://app.example/cb?code=c" || s.settled != 1 || len(h.engine.approved) != 1 {
		t.Errorf("to %q, approved %+v", to, h.engine.approved)
	}
	if slices.ContainsFunc(b.cookies(), func(name string) bool { return name != h.sessionCookie("acme") }) {
		t.Errorf("cookies left: %v", b.cookies())
	}
	b.get(back).wants(http.StatusBadRequest, "already_used")
	b.get(loginOf(back)).wants(http.StatusBadRequest, "already_used")
	if len(h.engine.approved) != 1 {
		t.Error("two codes out of one transaction")
	}
}

func TestNothingIsSettledForWhomSomethingIsMissing(t *testing.T) {
	for name, set := range map[string]func(h *house){
		"a question":        func(h *house) { h.engine.ask = true },
		"a factor":          func(h *house) { h.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelMFA }) },
		"a level":           func(h *house) { h.request.ACRValues = []string{"phr"} },
		"the person, named": func(h *house) { h.request.HintSubject = "usr_somebody" },
	} {
		h, s := settling(t)
		set(h)
		b := h.browser()
		if to := b.arriving("alice@acme.test").location(); to == "https://app.example/cb?code=c" || s.settled != 0 || len(h.engine.approved) != 0 {
			t.Errorf("%s: to %q, approved %+v", name, to, h.engine.approved)
		}
	}
}

func TestSettlingThatFailsIsAPage(t *testing.T) {
	h, s := settling(t)
	s.fail = storage.ErrConflict
	h.browser().arriving("alice@acme.test").wants(http.StatusForbidden, "access_denied")
	s.fail = errors.New("no such code")
	if p := h.browser().arriving("alice@acme.test"); p.Code != http.StatusInternalServerError {
		t.Errorf("status %d", p.Code)
	}
}

// A federated sign-in asks PostgreSQL nine times here, with an authorizer that reads
// once and issues nothing: for the domain, and to begin the transaction; for the
// transaction, its use, domain, person, sign-in, the view, and the transaction's end.
func TestRoundTripsOfAFederatedSignIn(t *testing.T) {
	h := newHouseOn(t, base, postgresDatabase(t))
	s := &settler{engine: h.engine, h: h}
	h.engine.ask, h.request.LoginHint = false, "alice@acme.test"
	h.server.SetAuthorizer(s)
	var asked int64
	for range 2 { // the first makes the person
		b := h.browser()
		before := h.trips.Load()
		b.get(h.provider(b.open())).location()
		asked = h.trips.Load() - before
	}
	if asked != 9 || len(h.engine.approved) != 2 {
		t.Errorf("%d round trips, want 9; approved %d", asked, len(h.engine.approved))
	}
}
