package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// realmsAtOnce is how many tenants the load goes to.
	realmsAtOnce = 4
	// hotTokens is how many tokens of a tenant are asked about again and again.
	hotTokens = 20
	// How many callers there are of each sort. Those who change something wait long
	// for a node that is cut off, and those who ask must not wait with them.
	askers, issuers, revokers = 10, 4, 8
	operatorsAtOnce           = 2 // of each of two sorts
)

// Limits of one call. A question that is not answered in time is dropped; what
// was to be killed counts as killed only when it was said so.
const (
	askWithin  = 500 * time.Millisecond
	lateWithin = 3 * time.Second // whoever hangs up earlier than that cancels what the node reads
	killWithin = 15 * time.Second
)

// load is what the callers of a cluster do, and how it went.
type load struct {
	c *cluster
	h *history

	mu     sync.Mutex
	places []*place
	gone   []*issuedToken // killed lately

	issued, asked, active, unknown              atomic.Int64
	revoked, suspended, switched, unknownDeaths atomic.Int64

	wrong sync.Map // what no caller should have been told
}

// place is a realm with the tokens that are in use.
type place struct {
	*realm
	hot []*issuedToken // under the load's lock
}

func newLoad(ctx context.Context, c *cluster, h *history) (*load, error) {
	l := &load{c: c, h: h}
	for range realmsAtOnce {
		r, err := c.newRealm(ctx)
		if err != nil {
			return nil, err
		}
		l.places = append(l.places, &place{realm: r})
	}
	return l, nil
}

// run loads the cluster until ctx is done. What is under way then is finished.
func (l *load) run(ctx context.Context, random *rand.Rand) {
	var wg sync.WaitGroup
	start := func(f func(ctx context.Context, random *rand.Rand)) {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		wg.Go(func() {
			for ctx.Err() == nil {
				f(ctx, own)
			}
		})
	}
	for range askers {
		start(l.wonder)
	}
	for range issuers {
		start(l.issue)
	}
	for range revokers {
		start(l.end)
	}
	for range operatorsAtOnce {
		start(l.suspend)
		start(l.toggle)
	}
	wg.Wait()
}

// rest waits, but not longer than ctx.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// wonder asks about a token: mostly one that is in use, and at times one that was
// killed a moment ago.
func (l *load) wonder(ctx context.Context, random *rand.Rand) {
	rest(ctx, time.Duration(1+random.IntN(5))*time.Millisecond)
	if random.IntN(8) == 0 {
		l.ask(l.member(random), l.dead(random))
	} else {
		l.ask(l.member(random), l.hot(random))
	}
}

// end kills a token, and asks all nodes: one that is in use, or a new one, about
// which all nodes are asked while it dies.
func (l *load) end(ctx context.Context, random *rand.Rand) {
	rest(ctx, time.Duration(20+random.IntN(200))*time.Millisecond)
	t := l.take(random)
	if t == nil {
		return
	}
	if random.IntN(2) == 0 {
		l.revoke(l.member(random), t)
		l.askEverywhere(askWithin, t)
		return
	}
	if t = l.issueAt(l.member(random), t.realm); t == nil {
		return
	}
	var asked sync.WaitGroup
	for _, m := range l.c.members {
		asked.Go(func() { l.askFor(lateWithin, m, t) })
	}
	l.revoke(l.member(random), t)
	l.askEverywhere(askWithin, t)
	asked.Wait()
}

func (l *load) member(random *rand.Rand) *member {
	return l.c.members[random.IntN(len(l.c.members))]
}

// hot is a token that is in use, or nil.
func (l *load) hot(random *rand.Rand) *issuedToken {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.places[random.IntN(len(l.places))]
	if len(p.hot) == 0 {
		return nil
	}
	return p.hot[random.IntN(len(p.hot))]
}

// take is hot, for who is about to kill it. One in four stays in use: others will
// kill it too, or ask about it meanwhile.
func (l *load) take(random *rand.Rand) *issuedToken {
	t := l.hot(random)
	if t == nil || random.IntN(4) == 0 {
		return t
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.places {
		if i := slices.Index(p.hot, t); i >= 0 {
			p.hot = slices.Delete(p.hot, i, i+1)
		}
	}
	return t
}

// dead is one of those that were killed lately, or nil.
func (l *load) dead(random *rand.Rand) *issuedToken {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.gone) == 0 {
		return nil
	}
	return l.gone[max(0, len(l.gone)-1-random.IntN(60))]
}

func (l *load) bury(dead ...*issuedToken) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = append(l.gone, dead...)
}

// post sends a form to a node. It is not cut short by the end of the load.
func post(within time.Duration, m *member, path string, who credentials, form url.Values) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	return m.now.Load().front.ask(ctx, path, who, form)
}

// unexpected notes an answer that nobody should get, whatever goes wrong.
func (l *load) unexpected(what string, m *member, a answer) {
	l.wrong.Store(fmt.Sprintf("%s at %s: %s", what, m.name, a), true)
}

// issue asks for a token, which is then in use.
func (l *load) issue(ctx context.Context, random *rand.Rand) {
	rest(ctx, time.Duration(20+random.IntN(100))*time.Millisecond)
	l.mu.Lock()
	p := l.places[random.IntN(len(l.places))]
	l.mu.Unlock()
	t := l.issueAt(l.member(random), p.realm)
	if t == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.hot = append(p.hot, t); len(p.hot) > hotTokens {
		p.hot = slices.Delete(p.hot, 0, 1)
	}
}

// issueAt asks a node for a token. nil: there is none. A client that is disabled,
// or of a suspended tenant, is refused.
func (l *load) issueAt(m *member, r *realm) *issuedToken {
	call := l.h.now()
	a, err := post(killWithin, m, "/oauth2/token", r.client, machineForm())
	switch {
	case err != nil || a.status == http.StatusServiceUnavailable:
	case a.status == http.StatusUnauthorized || a.text("error") == "unauthorized_client":
	case a.status != http.StatusOK:
		l.unexpected("issue", m, a)
	default:
		l.issued.Add(1)
		return l.h.issue(a.text("access_token"), r, m.name, call)
	}
	return nil
}

// ask introspects a token; nil is none.
func (l *load) ask(m *member, t *issuedToken) {
	if t != nil {
		l.askFor(askWithin, m, t)
	}
}

// askFor is ask, for who waits for the answer for so long. It reports whether it
// was active.
func (l *load) askFor(within time.Duration, m *member, t *issuedToken) (active bool) {
	l.asked.Add(1)
	call := l.h.now()
	a, err := post(within, m, "/oauth2/introspect", l.c.api, url.Values{"token": {t.value}})
	switch {
	// A limit's clock may be set back by less than the limit can tell from load.
	case err != nil || a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests:
		l.unknown.Add(1)
	case a.status == http.StatusOK && a.body == inactive:
		l.h.answer(t, m.name, call, false)
	case a.status == http.StatusOK && strings.Contains(a.body, `"active":true`):
		l.active.Add(1)
		l.h.answer(t, m.name, call, true)
		return true
	default:
		l.unexpected("introspection", m, a)
	}
	return false
}

// askEverywhere asks all nodes at once about several tokens.
func (l *load) askEverywhere(within time.Duration, tokens ...*issuedToken) {
	var wg sync.WaitGroup
	for _, m := range l.c.members {
		wg.Go(func() {
			for _, t := range tokens {
				l.askFor(within, m, t)
			}
		})
	}
	wg.Wait()
}

// revoke is RFC 7009. It reports whether the node said that it is done.
func (l *load) revoke(m *member, t *issuedToken) bool {
	call := l.h.now()
	a, err := post(killWithin, m, "/oauth2/revoke", t.realm.client, url.Values{"token": {t.value}})
	known := err == nil && a.status == http.StatusOK
	switch {
	case known:
		l.revoked.Add(1)
	case err == nil && a.status == http.StatusUnauthorized:
		return false // the client is disabled: nothing was done
	case err == nil && a.status != http.StatusServiceUnavailable:
		l.unexpected("revocation", m, a)
	default:
		l.unknownDeaths.Add(1)
	}
	l.h.kill(&t.ops, killing, m.name, call, known)
	l.bury(t)
	return known
}

// operators is where operators' commands run.
const operators = "operator"

// suspend suspends a tenant for good, when another has taken its place.
func (l *load) suspend(ctx context.Context, random *rand.Rand) {
	rest(ctx, time.Duration(500+random.IntN(1500))*time.Millisecond)
	fresh, err := l.c.newRealm(ctx)
	if err != nil {
		return // the database is away
	}
	l.mu.Lock()
	i := random.IntN(len(l.places))
	p := l.places[i]
	l.places[i] = &place{realm: fresh}
	tokens := slices.Clone(p.hot)
	l.mu.Unlock()
	if l.command(&p.ops, killing, "tenant", "suspend", p.tenant, "--reason", "test") {
		l.suspended.Add(1)
	}
	l.askEverywhere(askWithin, tokens...)
	l.bury(tokens...)
}

// toggle disables a client and enables it again. What it had is gone for good.
func (l *load) toggle(ctx context.Context, random *rand.Rand) {
	rest(ctx, time.Duration(200+random.IntN(800))*time.Millisecond)
	l.mu.Lock()
	p := l.places[random.IntN(len(l.places))]
	tokens := slices.Clone(p.hot)
	l.mu.Unlock()
	if l.command(&p.ops, disabling, "client", "disable", p.client.id) {
		l.switched.Add(1)
	}
	l.askEverywhere(askWithin, tokens...)
	l.command(&p.ops, enabled, "client", "enable", p.client.id)
	l.askEverywhere(askWithin, tokens...)
	l.mu.Lock()
	p.hot = slices.DeleteFunc(p.hot, func(t *issuedToken) bool { return slices.Contains(tokens, t) })
	l.mu.Unlock()
	l.bury(tokens...)
}

// command runs an operator's command. Whether one that failed has done something
// is not known.
func (l *load) command(ops *[]event, first deed, args ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), killWithin)
	defer cancel()
	call := l.h.now()
	_, err := l.c.Operate(ctx, nil, args...)
	if err != nil {
		l.unknownDeaths.Add(1)
	}
	if first == enabled {
		l.h.single(ops, enabled, operators, call, err == nil)
	} else {
		l.h.kill(ops, first, operators, call, err == nil)
	}
	return err == nil
}
