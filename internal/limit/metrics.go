package limit

import "github.com/prometheus/client_golang/prometheus"

// metrics are what an operator watches.
type metrics struct {
	refused prometheus.Counter
	alone   prometheus.Counter
}

func newMetrics(cfg Config, b *breaker) metrics {
	m := metrics{
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "watchgate_key_limit_refused_total", Help: "Requests of API keys that were over their rate.",
		}),
		alone: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "watchgate_key_limit_local_total", Help: "Requests that were to be counted in Redis, and were counted by this node alone.",
		}),
	}
	if cfg.Registerer == nil {
		return m
	}
	cfg.Registerer.MustRegister(m.refused)
	if cfg.Redis != nil {
		cfg.Registerer.MustRegister(m.alone, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "watchgate_key_limit_shared", Help: "1 while the nodes count together in Redis, 0 while it is lost.",
		}, func() float64 { return shares(b) }))
	}
	return m
}

func shares(b *breaker) float64 {
	if b.next.Load() != 0 {
		return 0
	}
	return 1
}
