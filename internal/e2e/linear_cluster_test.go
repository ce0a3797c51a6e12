package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/process"
)

// The kinds of connections that a node opens to its database, by what they call
// themselves.
const (
	feedConns   = "watchgate_feed"
	lookupConns = "watchgate_lookup"
	appConns    = "watchgate_app"
)

// cluster is several nodes on one PostgreSQL, each behind a proxy of its own, and
// clocks of their own if the build has such.
type cluster struct {
	*site
	binary  string
	members []*member
	realms  atomic.Int64 // made so far
}

// member is one node over all its lives.
type member struct {
	cluster *cluster
	name    string
	proxy   *pgtest.FaultProxy
	clock   *clock
	first   bool

	now atomic.Pointer[incarnation]

	mu     sync.Mutex
	before tally // of the lives that are over
	last   tally // of the present one, as read last
}

// incarnation is one life of a node.
type incarnation struct {
	node  *process.Node
	front front
}

// newCluster prepares a deployment and starts n nodes of a build. clocks are those
// of the nodes of a build that can be set; nil: they have the machine's.
func newCluster(t *testing.T, database, binary string, n int, clocks []*clock) *cluster {
	t.Helper()
	c := &cluster{binary: binary, site: &site{
		Deployment: must[*process.Deployment](t)(process.NewDeployment(t.Context(), t.TempDir(), database)),
	}}
	c.api = c.resourceServer(t, "api", "")
	for i := range n {
		m := &member{cluster: c, name: "node-" + itoa(i+1), proxy: pgtest.NewFaultProxy(t, database), first: i == 0}
		if clocks != nil {
			m.clock = clocks[i]
		}
		c.members = append(c.members, m)
		noError(t, m.start(t))
		t.Cleanup(func() { m.end(t) })
	}
	return c
}

// start starts the node, or starts it again.
func (m *member) start(t *testing.T) error {
	var env []string
	if m.clock != nil {
		env = []string{clockVariable + "=" + m.clock.file}
	}
	node, err := m.cluster.StartNode(t.Context(), process.NodeConfig{
		Name: m.name, First: m.first, Database: m.proxy.DSN(), Binary: m.cluster.binary, Env: env, More: "log:\n  level: warn\n",
	})
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.before, m.last = m.before.plus(m.last), tally{}
	m.mu.Unlock()
	m.now.Store(&incarnation{node, frontOf(t, m.cluster.Issuer, node)})
	return nil
}

// end stops the node in an orderly way.
func (m *member) end(t *testing.T) {
	m.proxy.Restore()
	node := m.now.Load().node
	_ = node.Resume()
	if err := node.Stop(); err != nil && !t.Failed() {
		t.Error(err)
	}
}

func (m *member) node() *process.Node { return m.now.Load().node }

// tally is what a node's metrics say.
type tally struct {
	held                   bool
	hits, misses, inactive float64
	changes, lost          float64
}

func (a tally) plus(b tally) tally {
	return tally{
		held: b.held, hits: a.hits + b.hits, misses: a.misses + b.misses, inactive: a.inactive + b.inactive,
		changes: a.changes + b.changes, lost: a.lost + b.lost,
	}
}

// scrape reads the node's metrics, and returns the sum over all its lives.
func (m *member) scrape(ctx context.Context) (tally, error) {
	page, err := fetch(ctx, m.node().OperatorURL+"/metrics")
	if err != nil {
		return tally{}, err
	}
	now := tally{
		held: metric(page, "watchgate_lease_held") == 1,
		hits: metric(page, `watchgate_introspection_answers_total{result="hit"}`),
		misses: metric(page, `watchgate_introspection_answers_total{result="miss"}`) +
			metric(page, `watchgate_introspection_answers_total{result="joined"}`),
		inactive: metric(page, `watchgate_introspection_answers_total{result="inactive"}`),
		changes:  metric(page, "watchgate_feed_changes_total"),
		lost:     metric(page, "watchgate_lease_lost_total"),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = now
	return m.before.plus(now), nil
}

// metric is a sample of a page in the text format; -1: it is not there.
func metric(page, name string) float64 {
	for line := range strings.Lines(page) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err == nil {
				return v
			}
		}
	}
	return -1
}

// fetch gets a page of an operator's port. It keeps no connection, which would
// outlive the node.
func fetch(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// awaitLeases returns when every node trusts its memory.
func (c *cluster) awaitLeases(t *testing.T) {
	t.Helper()
	for _, m := range c.members {
		await(t, "the lease of "+m.name, func() bool {
			now, err := m.scrape(t.Context())
			return err == nil && now.held
		})
	}
}

// newRealm makes a tenant with a client of its own.
func (c *cluster) newRealm(ctx context.Context) (*realm, error) {
	name := fmt.Sprintf("realm-%d", c.realms.Add(1))
	tenant, err := c.command(ctx, "tenant", "create", name, "--name", name)
	if err != nil {
		return nil, err
	}
	client, err := c.command(ctx, "client", "create", "--id", "machine-"+name, "--name", name, "--grant", "client_credentials",
		"--scope", "monitor:read", "--tenant", tenant["id"])
	return &realm{tenant: name, client: credentials{client["client_id"], client["secret"]}}, err
}

// command runs an operator's command that makes something, and returns what it
// says of it.
func (c *cluster) command(ctx context.Context, args ...string) (map[string]string, error) {
	out, err := c.Operate(ctx, nil, append(args, "--json")...)
	if err != nil {
		return nil, err
	}
	var made []map[string]string
	if err := json.Unmarshal([]byte(out), &made); err != nil || len(made) == 0 {
		return nil, fmt.Errorf("watchgate %v said %q", args, out)
	}
	return made[0], nil
}
