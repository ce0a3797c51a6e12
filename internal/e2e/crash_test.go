package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
)

// workers is how many callers load a node at once.
const workers = 4

func TestKillUnderLoadLosesNothingOnSQLite(t *testing.T) {
	t.Parallel()
	c := newCrash(t, newSite(t, onSQLite(t)))
	for range 50 {
		c.round(t, func() {})
	}
	c.conclude(t)
}

func TestKillUnderLoadLosesNothingOnPostgreSQL(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, pgtest.Options{Durable: true})
	c := newCrash(t, newSite(t, databaseOn(t, server)))
	for round := range 10 {
		c.round(t, func() {
			if round%2 == 0 { // the database crashes as well
				noError(t, server.Kill())
				noError(t, server.Restart())
			}
		})
	}
	c.conclude(t)
}

// databaseOn makes a database on a private server.
func databaseOn(t *testing.T, server *pgtest.Server) string {
	t.Helper()
	conn := must[*pgx.Conn](t)(pgx.Connect(t.Context(), server.DSN("postgres")))
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE watchgate"); err != nil {
		t.Fatal(err)
	}
	return server.DSN("watchgate")
}

// crash kills a node again and again, and remembers what it promised.
type crash struct {
	*site
	random  *rand.Rand
	node    *process.Node
	all     ledger
	answers atomic.Int64 // of the present round
}

// ledger is what callers were told.
type ledger struct {
	live, dead []string // tokens answered with 200, and those answered as revoked
}

func newCrash(t *testing.T, s *site) *crash {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &crash{site: s, random: rand.New(rand.NewPCG(seed, 0))}
	c.start(t)
	t.Cleanup(func() { c.node.Kill() })
	return c
}

func (c *crash) start(t *testing.T) {
	t.Helper()
	c.node = must[*process.Node](t)(c.Start(t.Context(), "node", true))
}

// round loads the node, kills it at a random moment, starts it again and checks
// what was promised in this round.
func (c *crash) round(t *testing.T, meanwhile func()) {
	t.Helper()
	c.answers.Store(0)
	told := make([]ledger, workers)
	reached := make(chan struct{})
	after, late := 1+c.random.Int64N(150), time.Duration(c.random.Int64N(int64(3*time.Millisecond)))
	var wg sync.WaitGroup
	for w := range told {
		seed := c.random.Uint64()
		wg.Go(func() { c.load(t, rand.New(rand.NewPCG(seed, 1)), &told[w], after, reached) })
	}
	select {
	case <-reached:
	case <-time.After(patience):
		t.Errorf("%d answers in %s", c.answers.Load(), patience)
	}
	<-time.After(late) // between two answers
	noError(t, c.node.Kill())
	wg.Wait()
	meanwhile()
	c.start(t)
	var sum ledger
	for _, l := range told {
		sum.live, sum.dead = append(sum.live, l.live...), append(sum.dead, l.dead...)
	}
	c.check(t, sum)
	c.all.live, c.all.dead = append(c.all.live, sum.live...), append(c.all.dead, sum.dead...)
}

// load issues tokens and revokes some, until the node does not answer. It closes
// reached at the answer of that number.
func (c *crash) load(t *testing.T, random *rand.Rand, told *ledger, after int64, reached chan struct{}) {
	tr := &http.Transport{MaxIdleConnsPerHost: 1}
	defer tr.CloseIdleConnections()
	f := front{issuer: c.Issuer, transport: tr}
	count := func() {
		if c.answers.Add(1) == after {
			close(reached)
		}
	}
	for {
		a, err := f.ask(t.Context(), "/oauth2/token", c.machine["acme"], machineForm())
		if err != nil {
			return
		}
		if a.status != http.StatusOK {
			t.Errorf("under load: %s", a)
			return
		}
		told.live = append(told.live, a.text("access_token"))
		count()
		if random.IntN(3) > 0 {
			continue
		}
		// Whether a revocation without an answer happened is not known.
		i := random.IntN(len(told.live))
		token := told.live[i]
		told.live = slices.Delete(told.live, i, i+1)
		a, err = f.ask(t.Context(), "/oauth2/revoke", c.machine["acme"], url.Values{"token": {token}})
		if err != nil {
			return
		}
		if a.status != http.StatusOK {
			t.Errorf("under load: revocation: %s", a)
			return
		}
		told.dead = append(told.dead, token)
		count()
	}
}

// check asks about every token of a ledger.
func (c *crash) check(t *testing.T, l ledger) {
	t.Helper()
	f := frontOf(t, c.Issuer, c.node)
	var lost, risen atomic.Int64
	each := func(tokens []string, want string, wrong *atomic.Int64) {
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := w; i < len(tokens); i += workers {
					a, err := f.ask(t.Context(), "/oauth2/introspect", c.api, url.Values{"token": {tokens[i]}})
					if err != nil || a.status != http.StatusOK {
						t.Errorf("introspection after the restart: %v %s", err, a)
						return
					}
					if got := fmt.Sprint(a.body != inactive); got != want {
						wrong.Add(1)
					}
				}
			})
		}
		wg.Wait()
	}
	each(l.live, "true", &lost)
	each(l.dead, "false", &risen)
	f.transport.(*http.Transport).CloseIdleConnections()
	if lost.Load() > 0 || risen.Load() > 0 {
		t.Fatalf("of %d tokens %d are lost; of %d revoked ones %d are active", len(l.live), lost.Load(), len(l.dead), risen.Load())
	}
}

// conclude asks about everything once more: what survived one crash must survive
// the later ones.
func (c *crash) conclude(t *testing.T) {
	t.Helper()
	c.check(t, c.all)
	t.Logf("%d tokens are active and %d revoked", len(c.all.live), len(c.all.dead))
	if len(c.all.live) == 0 || len(c.all.dead) == 0 {
		t.Error("the load did nothing")
	}
	if err := c.node.Stop(); err != nil {
		t.Error(err)
	}
}
