package web

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout bounds one readiness check.
const readyTimeout = 2 * time.Second

// OperatorConfig is what the operator's port shows.
type OperatorConfig struct {
	Gatherer prometheus.Gatherer
	// Ready are the checks of /readyz, by name.
	Ready map[string]func(context.Context) error
	Log   *slog.Logger // why a check failed; nil: nowhere
}

// Operator returns the handler of the operator's port, which no stranger
// reaches: /healthz (the process is up), /readyz (every check passes; 503
// otherwise, with the names of those that fail), /metrics.
func Operator(cfg OperatorConfig) http.Handler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		_ = WriteJSON(w, http.StatusOK, readiness{Status: "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if failing := cfg.failing(r.Context()); len(failing) > 0 {
			_ = WriteJSON(w, http.StatusServiceUnavailable, readiness{"unavailable", failing})
			return
		}
		_ = WriteJSON(w, http.StatusOK, readiness{Status: "ok"})
	})
	return mux
}

type readiness struct {
	Status  string   `json:"status"`
	Failing []string `json:"failing,omitempty"`
}

// failing runs the checks and returns the names of those that fail, sorted.
func (cfg OperatorConfig) failing(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var names []string
	for name, check := range cfg.Ready {
		if err := check(ctx); err != nil {
			names = append(names, name)
			cfg.Log.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.String("check", name), slog.String("cause", scrub(err.Error())))
		}
	}
	slices.Sort(names)
	return names
}
