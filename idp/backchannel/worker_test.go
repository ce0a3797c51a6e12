package backchannel_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp/backchannel"
	"github.com/watchgate/watchgate/internal/outbound"
	"github.com/watchgate/watchgate/storage"
)

func TestLogoutTokenSaysWhatAppsExpect(t *testing.T) {
	w := newWorld(t)
	var kinds []string
	r := w.receive(func(_ http.ResponseWriter, req *http.Request) {
		kinds = append(kinds, req.Method+" "+req.Header.Get("Content-Type"))
	})
	s := w.session()
	c := w.app(r.URL, s)
	w.end(s)
	w.tell(w.worker())
	got := r.got()
	if len(got) != 1 || !slices.Equal(kinds, []string{"POST application/x-www-form-urlencoded"}) {
		t.Fatalf("%d tokens by %v", len(got), kinds)
	}
	if _, err := w.signer.Verify(t.Context(), got[0]); err != nil {
		t.Errorf("not signed by the deployment: %v", err)
	}
	if h := w.part(got[0], 0); h["typ"] != "logout+jwt" || h["alg"] != "RS256" || h["kid"] == "" {
		t.Errorf("header %v", h)
	}
	claims := w.part(got[0], 1)
	if id, _ := claims["jti"].(string); len(id) < 32 {
		t.Errorf("jti %q", id)
	}
	delete(claims, "jti")
	now := float64(w.clock.Now().Unix())
	want := map[string]any{
		"iss": issuer, "aud": string(c.ID), "sub": string(w.user), "sid": string(s), "iat": now, "exp": now + 120,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	if d := cmp.Diff(want, claims); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"success  1"}, w.outcomes()); d != "" || len(w.waiting()) != 0 {
		t.Error(d, w.waiting())
	}
}

func TestLogoutTokenIsSignedAsTheAppsIDTokensAre(t *testing.T) {
	w := newWorld(t)
	r := w.receive(nil)
	s := w.session()
	c := w.app(r.URL, s)
	c.IDTokenAlg = "ES256"
	w.must(w.store.UpdateClient(t.Context(), c, w.event()))
	w.end(s)
	w.tell(w.worker())
	if got := r.got(); len(got) != 1 || w.part(got[0], 0)["alg"] != "ES256" {
		t.Errorf("tokens %v", got)
	}
}

func TestAnswersAndWhatComesOfThem(t *testing.T) {
	for _, c := range []struct {
		status  int
		outcome string // "": it is tried again
	}{
		{200, "success  1"}, {204, "success  1"}, {400, "refused refused 1"}, {404, "refused refused 1"}, {302, "refused refused 1"},
		{408, ""}, {429, ""}, {500, ""}, {503, ""},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			w := newWorld(t)
			r := w.receive(status(c.status))
			s := w.session()
			w.app(r.URL, s)
			w.end(s)
			w.tell(w.worker())
			waits := w.waiting()
			if c.outcome == "" {
				if len(waits) != 1 || !waits[0].NextAt.Equal(w.clock.Now().Add(time.Second)) || len(w.outcomes()) != 0 {
					t.Errorf("waiting %+v, trail %v", waits, w.outcomes())
				}
				return
			}
			if d := cmp.Diff([]string{c.outcome}, w.outcomes()); d != "" || len(waits) != 0 {
				t.Error(d, waits)
			}
		})
	}
}

func TestAnAppThatComesBackIsTold(t *testing.T) {
	w := newWorld(t)
	var calls atomic.Int64
	r := w.receive(func(rw http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) == 1 {
			rw.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := w.session()
	w.app(r.URL, s)
	w.end(s)
	worker := backchannel.New(w.config)
	w.tell(worker)
	w.clock.Forward(999 * time.Millisecond)
	w.tell(worker)
	if n := len(r.got()); n != 1 {
		t.Fatalf("%d calls before the pause was over", n)
	}
	w.clock.Forward(time.Millisecond)
	w.tell(worker)
	got := r.got()
	if len(got) != 2 || w.part(got[0], 1)["jti"] == w.part(got[1], 1)["jti"] {
		t.Errorf("%d calls, or the same jti", len(got))
	}
	if d := cmp.Diff([]string{"success  2"}, w.outcomes()); d != "" {
		t.Error(d)
	}
	if w.count("retried") != 1 || w.count("delivered") != 1 {
		t.Errorf("counted %v retried, %v delivered", w.count("retried"), w.count("delivered"))
	}
}

func TestAnAppThatNeverAnswersIsGivenUpAfterADay(t *testing.T) {
	w := newWorld(t)
	r := w.receive(status(http.StatusServiceUnavailable))
	s := w.session()
	w.app(r.URL, s)
	w.end(s)
	worker, began := w.worker(), w.clock.Now()
	var pauses []time.Duration
	for {
		w.tell(worker)
		waits := w.waiting()
		if len(waits) == 0 {
			break
		}
		pauses = append(pauses, waits[0].NextAt.Sub(w.clock.Now()))
		w.clock.Forward(pauses[len(pauses)-1])
	}
	want := []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}
	if d := cmp.Diff(want, pauses[:min(len(want), len(pauses))]); d != "" {
		t.Error(d)
	}
	took := w.clock.Now().Sub(began)
	if took > 24*time.Hour || took < 20*time.Hour {
		t.Errorf("the last attempt is %v after the sign-out", took)
	}
	if d := cmp.Diff([]string{fmt.Sprintf("refused given_up %d", len(r.got()))}, w.outcomes()); d != "" {
		t.Error(d)
	}
}

func TestAnAppThatIsGoneIsGivenUp(t *testing.T) {
	for name, change := range map[string]func(*world, *storage.Client){
		"without an address": func(_ *world, c *storage.Client) { c.BackchannelLogoutURI = "" },
		"disabled":           func(w *world, c *storage.Client) { c.DisabledAt = w.clock.Now() },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.receive(nil)
			s := w.session()
			c := w.app(r.URL, s)
			w.end(s)
			change(w, &c)
			w.must(w.store.UpdateClient(t.Context(), c, w.event()))
			w.tell(w.worker())
			if d := cmp.Diff([]string{"refused given_up 1"}, w.outcomes()); d != "" || len(r.got()) != 0 {
				t.Error(d, len(r.got()))
			}
		})
	}
}

// The back channel of an app is a URL that somebody chose.
func TestAttackBackchannelURIOnThisMachine(t *testing.T) {
	w := newWorld(t)
	r := w.receive(nil)
	w.config.Poster = outbound.New(outbound.Config{}).HTTP(1<<10, 0)
	s := w.session()
	w.app(r.URL, s)
	w.end(s)
	w.tell(w.worker())
	if n := len(r.got()); n != 0 || len(w.waiting()) != 1 {
		t.Errorf("%d calls of a private address", n)
	}
}

func TestAttackBackchannelRedirectElsewhere(t *testing.T) {
	w := newWorld(t)
	for _, poster := range []*http.Client{http.DefaultClient, outbound.New(outbound.Config{AllowLoopbackHTTP: true}).HTTP(1<<10, 3)} {
		elsewhere := w.receive(nil)
		r := w.receive(func(rw http.ResponseWriter, req *http.Request) {
			http.Redirect(rw, req, elsewhere.URL, http.StatusTemporaryRedirect) // with its body
		})
		w.config.Poster = poster
		s := w.session()
		w.app(r.URL, s)
		w.end(s)
		w.tell(w.worker())
		if len(r.got()) != 1 || len(elsewhere.got()) != 0 {
			t.Errorf("%d calls, %d where it redirects to", len(r.got()), len(elsewhere.got()))
		}
	}
}

// gate holds requests until so many are there at once, or it is opened.
type gate struct {
	mu      sync.Mutex
	in, max int
	wants   int
	open    chan struct{}
	once    sync.Once
}

func newGate(wants int) *gate { return &gate{wants: wants, open: make(chan struct{})} }

func (g *gate) ServeHTTP(http.ResponseWriter, *http.Request) {
	g.mu.Lock()
	g.in++
	g.max = max(g.max, g.in)
	if g.in == g.wants {
		g.release()
	}
	g.mu.Unlock()
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	g.in--
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

func TestTwoHundredAppsAreToldAtOnce(t *testing.T) {
	w := newWorld(t)
	all, g := []*receiver{}, newGate(32)
	s := w.session()
	for range 200 {
		if len(all) < 10 {
			all = append(all, w.receive(g.ServeHTTP))
		}
		w.app(fmt.Sprintf("%s/%d", all[w.apps%len(all)].URL, w.apps), s)
	}
	w.end(s)
	w.tell(w.worker())
	told := map[any]bool{}
	for _, r := range all {
		for _, tok := range r.got() {
			told[w.part(tok, 1)["aud"]] = true
		}
	}
	if len(told) != 200 || len(w.waiting()) != 0 || g.max != 32 {
		t.Errorf("%d apps were told, %d wait, %d at once", len(told), len(w.waiting()), g.max)
	}
}

func TestASlowAppHoldsUpNobodyElse(t *testing.T) {
	w := newWorld(t)
	var sessions []storage.SessionID
	for range 50 {
		sessions = append(sessions, w.session())
	}
	stuck, told := newGate(0), make(chan struct{}, 30)
	slow := w.receive(stuck.ServeHTTP)
	swift := w.receive(func(http.ResponseWriter, *http.Request) { told <- struct{}{} })
	w.app(slow.URL, sessions...)
	for range 30 {
		w.app(swift.URL, sessions[49])
	}
	w.end(sessions...)
	worker := w.worker()
	w.must(worker.Tick(t.Context()))
	for range 30 {
		<-told // without one answer of the slow one
	}
	if n := len(slow.got()); n > 4 {
		t.Errorf("%d calls of one app at once", n)
	}
	stuck.release()
	worker.Wait()
	w.tell(worker)
	if len(slow.got()) != 50 || len(w.waiting()) != 0 {
		t.Errorf("%d of 50 told, %d wait", len(slow.got()), len(w.waiting()))
	}
}

func TestAnAppThatFailsIsNotAskedForEachSession(t *testing.T) {
	w := newWorld(t)
	var sessions []storage.SessionID
	for range 50 {
		sessions = append(sessions, w.session())
	}
	var up atomic.Bool
	r := w.receive(func(rw http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	w.app(r.URL, sessions...)
	w.end(sessions...)
	worker := w.worker()
	w.tell(worker)
	if n := len(r.got()); n > 4 {
		t.Errorf("%d calls of an app that is down", n)
	}
	for _, l := range w.waiting() {
		if !l.NextAt.After(w.clock.Now()) {
			t.Fatal("it is asked again at once")
		}
	}
	before := len(r.got())
	w.clock.Forward(time.Second)
	w.tell(worker)
	if n := len(r.got()) - before; n != 1 {
		t.Errorf("%d calls to see whether it is up", n)
	}
	up.Store(true)
	for range 5 {
		w.clock.Forward(30 * time.Second)
		w.tell(worker)
	}
	if n := len(w.outcomes()); n != 50 || len(w.waiting()) != 0 {
		t.Errorf("%d of 50 told, %d wait", n, len(w.waiting()))
	}
}

func TestTwoNodesTellEachAppOnce(t *testing.T) {
	onBoth(t, func(w *world) {
		r := w.receive(nil)
		s := w.session()
		for range 40 {
			w.app(fmt.Sprintf("%s/%d", r.URL, w.apps), s)
		}
		w.end(s)
		nodes := make([]*backchannel.Worker, 3)
		for i := range nodes {
			nodes[i] = w.worker()
		}
		var begun sync.WaitGroup
		failed := make([]error, len(nodes))
		for i, n := range nodes {
			begun.Go(func() { failed[i] = n.Tick(w.Context()); n.Wait() })
		}
		begun.Wait()
		w.must(errors.Join(failed...))
		for path, n := range r.paths {
			if n != 1 {
				w.Errorf("%s was told %d times", path, n)
			}
		}
		if len(r.paths) != 40 || len(w.outcomes()) != 40 {
			w.Errorf("%d apps were told, %d in the trail", len(r.paths), len(w.outcomes()))
		}
	})
}

func TestANodeThatDiesInTheMiddleIsStoodInFor(t *testing.T) {
	onBoth(t, func(w *world) {
		r := w.receive(nil)
		s := w.session()
		w.app(r.URL, s)
		w.end(s)
		// Another node has claimed it, and never says what came of it.
		w.must(w.home.TryLogout(w.Context(), w.waiting()[0], w.clock.Now().Add(20*time.Second)))
		w.tell(w.worker())
		if n := len(r.got()); n != 0 {
			w.Fatalf("%d calls while another node has the claim", n)
		}
		w.clock.Forward(20 * time.Second)
		w.tell(w.worker())
		if len(r.got()) != 1 || len(w.outcomes()) != 1 {
			w.Errorf("%d calls, trail %v", len(r.got()), w.outcomes())
		}
	})
}

// forgetful is a store that loses the note of what became of a row, while away.
type forgetful struct {
	backchannel.Store
	away atomic.Bool
}

func (f *forgetful) Tenant(id storage.TenantID) storage.TenantStore {
	return forgetfulTenant{f.Store.Tenant(id), f}
}

type forgetfulTenant struct {
	storage.TenantStore
	of *forgetful
}

func (t forgetfulTenant) FinishLogout(ctx context.Context, l storage.Logout, outcome string, at time.Time, ev storage.Event) error {
	if t.of.away.Load() {
		return errors.New("connection refused")
	}
	return t.TenantStore.FinishLogout(ctx, l, outcome, at, ev)
}

func TestWhatTheStoreDidNotNoteIsNotDoneTwice(t *testing.T) {
	w := newWorld(t)
	r := w.receive(nil)
	store := &forgetful{Store: w.store}
	store.away.Store(true)
	w.config.Store = store
	s := w.session()
	w.app(r.URL, s)
	w.end(s)
	worker := w.worker()
	w.tell(worker)
	w.clock.Forward(time.Minute)
	if err := worker.Tick(t.Context()); err == nil {
		t.Error("the store is away, and nobody is told")
	}
	store.away.Store(false)
	w.tell(worker)
	if len(r.got()) != 1 || len(w.outcomes()) != 1 || len(w.waiting()) != 0 {
		t.Errorf("%d calls, trail %v", len(r.got()), w.outcomes())
	}
}

func TestMoreThanIsReadAtOnce(t *testing.T) {
	w := newWorld(t)
	r := w.receive(nil)
	w.config.Poster = http.DefaultClient // which lets us call one address more often than the guarded one
	var sessions []storage.SessionID
	for range 11 {
		sessions = append(sessions, w.session())
	}
	for range 50 {
		w.app(r.URL, sessions...)
	}
	w.end(sessions...)
	worker := w.worker()
	w.tell(worker)
	select {
	case <-worker.Due():
	default:
		t.Error("nobody is told that there is more")
	}
	w.tell(worker)
	if n := len(r.got()); n != 550 || len(w.waiting()) != 0 {
		t.Errorf("%d told, %d wait", n, len(w.waiting()))
	}
}

func TestWakeIsHeardOnce(t *testing.T) {
	worker := newWorld(t).worker()
	for range 3 {
		worker.Wake()
	}
	<-worker.Due()
	select {
	case <-worker.Due():
		t.Error("heard twice")
	default:
	}
}
