package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/process"
)

// cluster is some nodes on one database, with a connection to each.
type cluster struct {
	site  *site
	nodes []*process.Node
	wires []*wire
}

func (s *site) cluster(nodes ...*process.Node) (*cluster, error) {
	c := &cluster{site: s, nodes: nodes}
	for _, n := range nodes {
		w, err := dial(n.URL)
		if err != nil {
			c.close()
			return nil, err
		}
		c.wires = append(c.wires, w)
	}
	return c, nil
}

func (c *cluster) close() {
	for _, w := range c.wires {
		w.conn.Close()
	}
}

// active asks a node about a token.
func (c *cluster) active(node int, token string) (bool, error) {
	return good(c.wires[node].do(c.site.question(token)))
}

// good reads an answer. A node that does not know, and says so, has not said yes.
func good(status int, body []byte, err error) (bool, error) {
	if err == nil && status != http.StatusOK && status != http.StatusServiceUnavailable {
		err = fmt.Errorf("introspect: status %d: %s", status, body)
	}
	return strings.HasPrefix(string(body), `{"active":true`), err
}

// warm lets every node remember a live token.
func (c *cluster) warm(token string) error {
	for i := range c.nodes {
		for range 2 {
			if ok, err := c.active(i, token); err != nil || !ok {
				return fmt.Errorf("node %d says that a live token is not active: %w", i, errors.Join(err))
			}
		}
	}
	return nil
}

// revoke revokes a token at a node and returns how long that took.
func (c *cluster) revoke(node int, token string) (time.Duration, error) {
	request := post(c.site.deployment.Issuer, "/oauth2/revoke", c.site.web, url.Values{"token": {token}})
	began := time.Now()
	status, body, err := c.wires[node].do(request)
	return time.Since(began), expect("revoke", status, body, err)
}

// stale asks nodes about a token that was revoked, all at once, and returns how many
// of them say that it is active.
func (c *cluster) stale(token string, nodes ...int) (int, error) {
	type answer struct {
		ok  bool
		err error
	}
	answers := make(chan answer, len(nodes))
	for _, n := range nodes {
		go func() {
			ok, err := c.active(n, token)
			answers <- answer{ok, err}
		}()
	}
	wrong := 0
	var failed error
	for range nodes {
		a := <-answers
		failed = errors.Join(failed, a.err)
		if a.ok {
			wrong++
		}
	}
	return wrong, failed
}

// heldLease waits until a node trusts what it remembers.
func heldLease(ctx context.Context, n *process.Node) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if v, err := metric(ctx, n.OperatorURL, leaseMetric); err != nil || v == 1 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the node got no lease: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// leaseMetric is 1 while a node trusts what it remembers.
const leaseMetric = "watchgate_lease_held"
