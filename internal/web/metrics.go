package web

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests. Labels are bounded: the route's pattern, never the
// path; a known method; the status class.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	adding sync.Mutex
	routes atomic.Pointer[map[string]*routeMetrics] // never changed, but replaced
}

// newMetrics returns nil when there is nowhere to register.
func newMetrics(reg prometheus.Registerer) *metrics {
	if reg == nil {
		return nil
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "watchgate_http_requests_total", Help: "HTTP requests by route, method and status class.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "watchgate_http_request_seconds", Help: "Time from the first byte of a request to the end of its answer.",
			Buckets: []float64{.000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	m.routes.Store(&map[string]*routeMetrics{})
	reg.MustRegister(m.requests, m.seconds)
	return m
}

func (m *metrics) observe(route, method string, status int, took time.Duration) {
	m.route(route).observe(method, status, took)
}

// route is where a route is counted, without its labels being looked up each
// time.
func (m *metrics) route(route string) *routeMetrics {
	if m == nil {
		return nil
	}
	if known := (*m.routes.Load())[route]; known != nil {
		return known
	}
	m.adding.Lock()
	defer m.adding.Unlock()
	routes := maps.Clone(*m.routes.Load())
	if routes[route] == nil {
		routes[route] = &routeMetrics{of: m, route: route, seconds: m.seconds.WithLabelValues(route)}
		m.routes.Store(&routes)
	}
	return routes[route]
}

// routeMetrics counts the requests of one route.
type routeMetrics struct {
	of      *metrics
	route   string
	seconds prometheus.Observer
	counts  [len(knownMethods) + 1][6]atomic.Pointer[prometheus.Counter] // by method and status class, as they come up
}

func (m *routeMetrics) observe(method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.count(method, status).Inc()
	m.seconds.Observe(took.Seconds())
}

func (m *routeMetrics) count(method string, status int) prometheus.Counter {
	class := status / 100
	at := &m.counts[slices.Index(knownMethods[:], method)+1][min(max(class, 0), 5)]
	if known := at.Load(); known != nil {
		return *known
	}
	c := m.of.requests.WithLabelValues(m.route, method, strconv.Itoa(class)+"xx")
	at.Store(&c)
	return c
}
