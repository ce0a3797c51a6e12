package coherence

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator watches: whether the lease is held, how old it is,
// and how often it was lost.
type metrics struct {
	changes, renewed, lost, failed prometheus.Counter
}

func newMetrics(n *Node) metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := metrics{
		changes: counter("watchgate_feed_changes_total", "Changes of other nodes and of this one that were applied."),
		renewed: counter("watchgate_lease_renewals_total", "Leases that were got or extended."),
		lost:    counter("watchgate_lease_lost_total", "Memberships that ended: the database was away, or the node was struck."),
		failed:  counter("watchgate_lease_join_failures_total", "Attempts to join the register that failed."),
	}
	if n.cfg.Registerer != nil {
		n.cfg.Registerer.MustRegister(m.changes, m.renewed, m.lost, m.failed, gauge(
			"watchgate_lease_held", "1 while introspections may be answered from memory.", n.held,
		), gauge(
			"watchgate_feed_lag_seconds", "Age of what this node knows: time since it last began to read the changes that it then applied; 0 before the first.", n.lag,
		))
	}
	return m
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

func (n *Node) held() float64 {
	if n.Held() {
		return 1
	}
	return 0
}

// lag goes on counting while there is no lease.
func (n *Node) lag() float64 {
	read := n.read.Load()
	if read == 0 {
		return 0
	}
	return (n.cfg.Boot() - time.Duration(read)).Seconds()
}
