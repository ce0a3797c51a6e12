package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
)

// pauseInSoak is how long a node is stopped when the test has time. Otherwise it is
// until the others strike it from the register.
const pauseInSoak = time.Minute

// A node that was stopped for so long that the others have struck it answers
// nothing that it knew before: not those who asked while it stood still, and not
// those who ask after.
func TestNodeThatWasStoppedForLongAnswersNothingStale(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	c := newCluster(t, database, must[string](t)(process.Binary()), 3, nil)
	conn := must[*pgx.Conn](t)(pgx.Connect(t.Context(), database))
	t.Cleanup(func() { conn.Close(t.Context()) })
	l := &load{c: c, h: newHistory()}
	near, far := c.members[0], c.members[1]
	c.awaitLeases(t)

	// What is killed in each way, and what lives.
	var realms []*realm
	var tokens []*issuedToken
	for range 4 {
		r := must[*realm](t)(c.newRealm(t.Context()))
		token := l.issueAt(near, r)
		if token == nil {
			t.Fatal("no token")
		}
		realms, tokens = append(realms, r), append(tokens, token)
	}
	before := must[tally](t)(far.scrape(t.Context()))
	await(t, "answers from memory", func() bool {
		l.askEverywhere(killWithin, tokens...)
		return must[tally](t)(far.scrape(t.Context())).hits >= before.hits+float64(len(tokens))
	})

	noError(t, far.node().Pause())
	stopped := time.Now()
	if !l.revoke(near, tokens[0]) ||
		!l.command(&realms[1].ops, killing, "tenant", "suspend", realms[1].tenant, "--reason", "test") ||
		!l.command(&realms[2].ops, disabling, "client", "disable", realms[2].client.id) {
		t.Fatal("a kill did not succeed while a node was stopped")
	}
	await(t, "the others to strike the node", func() bool {
		var nodes int
		noError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM nodes").Scan(&nodes))
		return nodes == len(c.members)-1
	})
	if _, length := settings(t); length > 0 {
		rest(t.Context(), pauseInSoak-time.Since(stopped))
	}
	var asked sync.WaitGroup
	for range 4 {
		for _, token := range tokens {
			asked.Go(func() { l.askFor(killWithin, far, token) })
		}
	}
	noError(t, far.node().Resume())
	asked.Wait()
	c.awaitLeases(t)
	l.askEverywhere(killWithin, tokens...)
	if !l.askFor(killWithin, far, tokens[3]) {
		t.Error("what nobody killed is dead")
	}
	l.verdict(t)
}
