package introspect

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/web"
)

// source is where an active answer came from.
type source int

// The sources.
const (
	fromStore  source = iota // a statement of its own
	fromMemory               // remembered
	fromOther                // a statement that somebody else was waiting for
)

// metrics are what an operator watches: how often memory answered, and what it
// takes. Counters are resolved once: one is counted on every call.
type metrics struct {
	active                          [fromOther + 1]prometheus.Counter
	inactive, refused               prometheus.Counter
	limited, throttled, unavailable prometheus.Counter
	keyLimited                      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, m *memory) metrics {
	answers := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "watchgate_introspection_answers_total",
		Help: "Answers of /oauth2/introspect and of what asks like it: hit (active, from memory), joined (active, from another caller's statement), miss (active, from the store), inactive, refused (the caller may not ask), limited (it asks too often), key_limited (an API key is over its rate), throttled (too many wrong credentials from its address), unavailable (nobody could tell).",
	}, []string{"result"})
	if reg != nil {
		reg.MustRegister(answers, cacheBytes(m), cacheEntries(m), cacheEvictions(m))
	}
	of := func(result string) prometheus.Counter { return answers.WithLabelValues(result) }
	return metrics{
		active:   [...]prometheus.Counter{fromStore: of("miss"), fromMemory: of("hit"), fromOther: of("joined")},
		inactive: of("inactive"), refused: of("refused"), limited: of("limited"), keyLimited: of("key_limited"), throttled: of("throttled"), unavailable: of("unavailable"),
	}
}

func cacheBytes(m *memory) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "watchgate_introspection_cache_bytes", Help: "Memory that the remembered answers take.",
	}, func() float64 { return float64(m.answers.WeightedSize()) })
}

func cacheEntries(m *memory) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "watchgate_introspection_cache_entries", Help: "Answers that are remembered, those that are no longer trusted included.",
	}, func() float64 { return float64(m.answers.EstimatedSize()) })
}

func cacheEvictions(m *memory) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "watchgate_introspection_cache_evictions_total", Help: "Answers that were forgotten because others needed the room.",
	}, func() float64 { return float64(m.evicted.Load()) })
}

// count counts a question that was put. Who may not ask is counted by
// [Server.refuse].
func (m *metrics) count(v verdict, err error) {
	switch {
	case err == nil && v.why == "":
		m.active[v.source].Inc()
		return
	case err == nil:
		m.inactive.Inc()
		return
	}
	switch status := web.AsError(err).Status; {
	case status == http.StatusServiceUnavailable:
		m.unavailable.Inc()
	case errors.Is(err, errKeyRate):
		m.keyLimited.Inc()
	case errors.Is(err, errFailures):
		m.throttled.Inc()
	case status == http.StatusTooManyRequests:
		m.limited.Inc()
	}
}
