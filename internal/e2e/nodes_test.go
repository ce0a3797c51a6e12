package e2e

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/walk"
)

// pair is two nodes on one PostgreSQL.
type pair struct {
	*site
	one, two front
}

func newPair(t *testing.T) pair {
	t.Helper()
	s := newSite(t, pgtest.Database(t))
	return pair{s, frontOf(t, s.Issuer, s.node(t, "one", true)), frontOf(t, s.Issuer, s.node(t, "two", false))}
}

// roaming is a transport that can be turned to another node, as a load balancer
// does with a browser.
type roaming struct{ to atomic.Pointer[front] }

func (r *roaming) RoundTrip(req *http.Request) (*http.Response, error) {
	return r.to.Load().transport.RoundTrip(req)
}

func TestTwoNodesShareEverything(t *testing.T) {
	p := newPair(t)
	t.Run("a session made on one is good on the other", p.session)
	t.Run("a sign-in goes on on the other", p.signInAcross)
	t.Run("a code, a token and its end cross over", p.crossing)
	t.Run("one code redeemed on both has one winner", p.oneWinner)
	t.Run("one refresh token on both has one successor", p.oneSuccessor)
	t.Run("what an operator ends is ended on both", p.operatorEnds)
	t.Run("both publish the same keys", p.sameKeys)
}

func (p pair) session(t *testing.T) {
	lb := &roaming{}
	lb.to.Store(&p.one)
	b := front{issuer: p.Issuer, transport: lb}.browser(p.web)
	p.one.code(t, b, p.web.trip(), alice)
	lb.to.Store(&p.two)
	page := must[*walk.Page](t)(b.Get(t.Context(), p.Issuer+p.web.trip().path("prompt", "none")))
	if !page.Ended || page.URL.Query().Get("code") == "" {
		t.Errorf("the other node says %s: %s", page.URL, page.Text())
	}
}

// signInAcross changes the node after each page.
func (p pair) signInAcross(t *testing.T) {
	lb := &roaming{}
	lb.to.Store(&p.one)
	b := front{issuer: p.Issuer, transport: lb}.browser(p.spa)
	r := p.spa.trip()
	page := must[*walk.Page](t)(b.Get(t.Context(), p.Issuer+r.path()))
	for i, step := range []struct{ button, field, value string }{
		{"login-submit", "email", carol}, {"user=" + carol, "", ""}, {"consent-approve", "", ""},
	} {
		lb.to.Store([]*front{&p.two, &p.one, &p.two}[i])
		page = must[*walk.Page](t)(page.Press(t.Context(), step.button, url.Values{step.field: {step.value}}))
	}
	p.one.redeem(t, r, page.URL.Query().Get("code"))
}

func (p pair) crossing(t *testing.T) {
	r := p.web.trip()
	code := p.one.code(t, p.one.browser(p.web), r, alice)
	tok := p.two.redeem(t, r, code)
	for name, f := range map[string]front{"one": p.one, "two": p.two} {
		if !f.isActive(t, p.api, tok.Access) {
			t.Errorf("the token is not active on node %s", name)
		}
	}
	p.two.revoke(t, p.web.credentials, tok.Access)
	if p.one.isActive(t, p.api, tok.Access) {
		t.Error("revoked on two, active on one")
	}
	next := tokensOf(t, p.one.refresh(t, p.web.credentials, tok.Refresh))
	p.one.revoke(t, p.web.credentials, next.Refresh)
	if p.two.isActive(t, p.api, next.Access) {
		t.Error("its grant was revoked on one, active on two")
	}
}

// race sends the same request n times to each of the nodes at once.
func (p pair) race(t *testing.T, n int, form url.Values) []answer {
	t.Helper()
	answers := make([]answer, 2*n)
	errs := make([]error, 2*n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range answers {
		wg.Go(func() {
			f := []front{p.one, p.two}[i%2]
			<-start
			answers[i], errs[i] = f.ask(t.Context(), "/oauth2/token", p.web.credentials, form)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

func (p pair) oneWinner(t *testing.T) {
	b := p.one.browser(p.web)
	for range 5 {
		r := p.web.trip()
		code := p.one.code(t, b, r, alice)
		var won int
		for _, a := range p.race(t, 10, r.form(code)) {
			switch {
			case a.status == http.StatusOK:
				won++
			case a.status != http.StatusBadRequest || a.text("error") != "invalid_grant":
				t.Errorf("a loser reads %s", a)
			}
		}
		if won != 1 {
			t.Errorf("%d redemptions of one code won", won)
		}
	}
}

func (p pair) oneSuccessor(t *testing.T) {
	b := p.one.browser(p.web)
	tok := p.one.signIn(t, b, p.web, alice)
	for range 5 {
		successors, access := map[string]bool{}, []string{}
		for _, a := range p.race(t, 4, refreshForm(tok.Refresh)) {
			next := tokensOf(t, a)
			successors[next.Refresh] = true
			access = append(access, next.Access)
			tok.Refresh = next.Refresh
		}
		if len(successors) != 1 {
			t.Errorf("%d successors of one refresh token", len(successors))
		}
		for _, token := range access {
			if !p.two.isActive(t, p.api, token) {
				t.Error("an access token of a concurrent refresh is not active")
			}
		}
	}
	if next := tokensOf(t, p.two.refresh(t, p.web.credentials, tok.Refresh)); next.Refresh == "" {
		t.Error("the family is dead after concurrent refreshes")
	}
}

func (p pair) operatorEnds(t *testing.T) {
	token := p.one.machineToken(t, p.machine["globex"])
	p.operate(t, "tenant", "suspend", "globex", "--reason", "unpaid")
	for name, f := range map[string]front{"one": p.one, "two": p.two} {
		if f.isActive(t, p.api, token) {
			t.Errorf("active on node %s after the suspension", name)
		}
	}
	p.operate(t, "tenant", "resume", "globex")
	if p.two.isActive(t, p.api, token) {
		t.Error("a token from before the suspension came back to life")
	}
	if !p.one.isActive(t, p.api, p.two.machineToken(t, p.machine["globex"])) {
		t.Error("a token from after the suspension is not active")
	}
}

func (p pair) sameKeys(t *testing.T) {
	for _, path := range []string{"/.well-known/jwks.json", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		one, two := p.one.get(t, path), p.two.get(t, path)
		if one.status != http.StatusOK || one.body != two.body {
			t.Errorf("%s differs:\n%s\n%s", path, one, two)
		}
	}
}
