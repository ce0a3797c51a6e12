package idp_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// settler is the engine, as one that answers at once: who arrives gets a code, unless
// it has a question.
type settler struct {
	*engine
	h       *house
	settled int
	// fail is what the code's statement says.
	fail error
}

func (s *settler) Settle(w http.ResponseWriter, r *http.Request, c storage.Client, live storage.LiveSession, a storage.Arrival, entered func() error) (bool, error) {
	if s.ask {
		return false, nil
	}
	now := s.h.clock.Now().UTC().Truncate(time.Millisecond)
	ref, err := token.Parse(token.Code, token.New(token.Code, now.Add(time.Minute)))
	s.h.must(err)
	err = s.h.store.Tenant(live.Tenant.ID).IssueCode(r.Context(), storage.IssueCode{
		ClientVersion: c.Version, TenantVersion: live.Tenant.Version, Arrival: &a,
		Code: storage.Code{Ref: ref, User: live.User, Client: c.ID, Session: live.ID, Connection: live.Connection, CreatedAt: now, ExpiresAt: now.Add(time.Minute)},
	}, audit.ConsentGiven(r.Context(), now, storage.Code{User: live.User, Client: c.ID}))
	if err = errors.Join(err, s.fail); err != nil {
		return !errors.Is(err, storage.ErrConflict), err
	}
	if err := entered(); err != nil {
		return true, err
	}
	s.settled++
	return true, s.Approve(w, r, *a.Login.Request, live, 0)
}

func settling(t *testing.T) (*house, *settler) {
	t.Helper()
	h := newHouse(t)
	s := &settler{engine: h.engine, h: h}
	h.engine.ask = false
	h.server.SetAuthorizer(s)
	return h, s
}

// known is a house that somebody of acme has visited.
func known(t *testing.T) (*house, *settler) {
	t.Helper()
	h, s := settling(t)
	if to := h.browser().arrivesAt("alice@acme.test"); to != answered {
		t.Fatalf("the first visit goes to %q", to)
	}
	if s.settled != 0 || len(h.engine.approved) != 1 {
		t.Fatalf("somebody new: settled %d, approved %d", s.settled, len(h.engine.approved))
	}
	return h, s
}

const answered = "https://app.example/cb?code=c"

// arrivesAt is where somebody ends who is asked nothing.
func (b *browser) arrivesAt(email string) string {
	b.h.t.Helper()
	to := b.arriving(email).location()
	if strings.HasPrefix(to, "/login/") {
		to = b.get(to).location()
	}
	return to
}

func TestWhoIsAskedNothingIsAnsweredWhereTheyArrive(t *testing.T) {
	h, s := known(t)
	b := h.browser()
	back := h.provider(b.toProvider(b.open(), "alice@acme.test"))
	if to := b.get(back).location(); to != answered || s.settled != 1 || len(h.engine.approved) != 2 {
		t.Errorf("to %q, approved %+v", to, h.engine.approved)
	}
	if slices.ContainsFunc(b.cookies(), func(name string) bool { return name != h.sessionCookie("acme") }) {
		t.Errorf("cookies left: %v", b.cookies())
	}
	if got := h.events("acme"); strings.Count(strings.Join(got, " "), "session.started") != 2 {
		t.Errorf("on record: %v", got)
	}
	b.get(back).wants(http.StatusBadRequest, "already_used")
	b.get(loginOf(back)).wants(http.StatusBadRequest, "already_used")
	if len(h.engine.approved) != 2 {
		t.Error("two codes out of one transaction")
	}
	if live := b.session("acme"); !live.Usable(h.clock.Now()) {
		t.Errorf("signed in by %+v", live)
	}
}

// Who has changed, or lacks something, goes the long way, which says what there is to say.
func TestNothingIsSettledForWhomSomethingIsDifferent(t *testing.T) {
	for name, set := range map[string]func(h *house){
		"a question":           func(h *house) { h.engine.ask = true },
		"a factor":             func(h *house) { h.policy("acme", func(p *storage.TenantPolicy) { p.RequireLevel = storage.LevelMFA }) },
		"a level":              func(h *house) { h.request.ACRValues = []string{"phr"} },
		"the person, named":    func(h *house) { h.request.HintSubject = "usr_somebody" },
		"a disabled person":    func(h *house) { h.disable("acme") },
		"a new name":           func(h *house) { h.says("acme", "name", "Alice B.") },
		"a new address":        func(h *house) { h.says("acme", "email", "alice.b@acme.test") },
		"an address in doubt":  func(h *house) { h.says("acme", "email_verified", false) },
		"a role":               func(h *house) { h.nameClaim("acme", "access_level"); h.says("acme", "access_level", "admin") },
		"no role any more":     func(h *house) { h.nameClaim("acme", "access_level") },
		"an address elsewhere": func(h *house) { h.requireSSOElsewhere() },
		"somebody else":        func(h *house) { h.says("acme", "sub", "mallory-sub") },
	} {
		t.Run(name, func(t *testing.T) {
			h, s := known(t)
			set(h)
			h.browser().arriving("alice@acme.test")
			if s.settled != 0 || len(h.engine.approved) != 1 {
				t.Errorf("settled %d, approved %d", s.settled, len(h.engine.approved))
			}
		})
	}
}

// disable disables everybody of a tenant.
func (h *house) disable(slug string) {
	h.t.Helper()
	for _, u := range h.users(slug) {
		u.DisabledAt = h.clock.Now()
		h.must(h.store.Tenant(h.tenants[slug]).UpdateUser(h.t.Context(), u, audit.UserUpdated(h.t.Context(), h.clock.Now(), u)))
	}
}

// requireSSOElsewhere makes acme's people come in through another connection.
func (h *house) requireSSOElsewhere() {
	h.t.Helper()
	ctx, tenant, now := h.t.Context(), h.store.Tenant(h.tenants["acme"]), h.clock.Now()
	con := storage.Connection{ID: "con_second", Kind: storage.OIDC, Name: "Second", Issuer: "https://second.test", CreatedAt: now, Version: 1}
	h.must(tenant.CreateConnection(ctx, con, audit.ConnectionCreated(ctx, now, con)))
	h.putDomain("acme", storage.Domain{Name: "elsewhere.test", Connection: con.ID, VerifiedAt: now, SSORequired: true})
	h.says("acme", "email", "alice@elsewhere.test")
	h.must(h.renameUser("alice@elsewhere.test"))
}

// renameUser gives acme's only person the address that they say next.
func (h *house) renameUser(email string) error {
	u := h.users("acme")[0]
	u.Email, u.Claims["email"] = email, email
	return h.store.Tenant(h.tenants["acme"]).UpdateUser(h.t.Context(), u, audit.UserUpdated(h.t.Context(), h.clock.Now(), u))
}

// A browser that has a session, or had one, is let in the long way, which knows what
// becomes of it.
func TestNothingIsSettledBesideASession(t *testing.T) {
	h, s := known(t)
	b := h.browser()
	b.arrivesAt("alice@acme.test")
	h.clock.Forward(2 * time.Hour) // past the idle end
	b.arrivesAt("alice@acme.test")
	if s.settled != 1 || len(h.engine.approved) != 3 {
		t.Errorf("settled %d of %d", s.settled, len(h.engine.approved))
	}
}

func TestSettlingThatFailsIsAPageAndNothingElse(t *testing.T) {
	h, s := known(t)
	s.fail = errors.New("no such code")
	b := h.browser()
	if p := b.arriving("alice@acme.test"); p.Code != http.StatusInternalServerError {
		t.Errorf("status %d", p.Code)
	}
	if slices.Contains(b.cookies(), h.sessionCookie("acme")) {
		t.Error("who was refused has a session's cookie")
	}
}

// A federated sign-in asks PostgreSQL eight statements here, without what the engine
// reads about the request: for the domain, and to begin the transaction; for the
// transaction, its use, the domain, and the view; and two that write everything at once.
func TestStatementsOfAFederatedSignIn(t *testing.T) {
	h := newHouseOn(t, base, postgresDatabase(t))
	s := &settler{engine: h.engine, h: h}
	h.engine.ask, h.request.LoginHint = false, "alice@acme.test"
	h.server.SetAuthorizer(s)
	var trips, statements int64
	for range 3 { // the first makes the person, and nobody needs a partition any more at the third
		b := h.browser()
		trips, statements = h.trips.Load(), h.statements.Load()
		b.get(h.provider(b.open())).location()
		trips, statements = h.trips.Load()-trips, h.statements.Load()-statements
	}
	if trips != 7 || statements != 8 || s.settled != 2 {
		t.Errorf("%d round trips, want 7; %d statements, want 8; settled %d", trips, statements, s.settled)
	}
}
