package leak

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/watchgate/watchgate/internal/web"
)

// KeysURL is where GitHub publishes the keys that it signs reports with.
const KeysURL = "https://api.github.com/meta/public_keys/secret_scanning"

const (
	maxBody    = 1 << 20          // bytes of a report; the edge may allow less
	maxEntries = 1000             // of a report
	patience   = 25 * time.Second // GitHub waits for 30 s
	atOnce     = 16               // findings: one that waits for a node is not to hold up the others
)

// Config is what the endpoint needs.
type Config struct {
	// Fetch gets a public document: package outbound's Get is one.
	Fetch func(ctx context.Context, url string) ([]byte, error)
	// Leaked takes a token out of use and says whether it is one of ours. It is called
	// up to 16 times at once.
	Leaked func(ctx context.Context, token string) (known bool, err error)
	Now    func() time.Time
	URL    string       // "": KeysURL
	Log    *slog.Logger // nil: nothing is logged
}

// entry is one finding of a report.
type entry struct {
	Token  string `json:"token"`
	Type   string `json:"type"`
	URL    string `json:"url"`
	Source string `json:"source"`
}

// label is the answer about one finding.
type label struct {
	Raw   string `json:"token_raw"`
	Type  string `json:"token_type"`
	Label string `json:"label"`
}

// Handler answers POST requests with a report. It answers 401 to whatever GitHub did
// not sign, 503 while its keys cannot be had or a finding cannot be dealt with (GitHub
// sends the report again, and doing it again changes nothing), 413 to a report of more
// than a megabyte or a thousand findings, and 400 to what is none.
func Handler(cfg Config) web.Handler {
	if cfg.URL == "" {
		cfg.URL = KeysURL
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e := &endpoint{cfg: cfg, keys: keyring{fetch: cfg.Fetch, url: cfg.URL, now: cfg.Now}}
	return e.serve
}

type endpoint struct {
	cfg  Config
	keys keyring
}

func (e *endpoint) serve(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return unreadable(err)
	}
	err = e.keys.verify(ctx, r.Header, body)
	if errors.Is(err, errUnsigned) {
		return web.Refuse(http.StatusUnauthorized, "invalid_signature", "The report is not signed by GitHub.", err)
	}
	if err != nil {
		return web.Unavailable(err)
	}
	var report []entry
	if err := json.Unmarshal(body, &report); err != nil {
		return web.Refuse(http.StatusBadRequest, "invalid_request", "The report is no JSON array of findings.", nil)
	}
	if len(report) > maxEntries {
		return tooMany()
	}
	return e.answer(ctx, w, report)
}

func (e *endpoint) answer(ctx context.Context, w http.ResponseWriter, report []entry) error {
	known, err := e.deal(ctx, report)
	if err != nil {
		return web.Unavailable(err)
	}
	out := make([]label, 0, len(report))
	for _, found := range report {
		l := label{Raw: found.Token, Type: found.Type, Label: "false_positive"}
		if known[found.Token] {
			l.Label = "true_positive"
		}
		out = append(out, l)
	}
	e.cfg.Log.InfoContext(ctx, "a report of leaked credentials", slog.Int("findings", len(report)))
	return web.WriteJSON(w, http.StatusOK, out)
}

// deal takes each token of a report out of use, once, several at a time. One that
// cannot be dealt with does not stop the others.
func (e *endpoint) deal(ctx context.Context, report []entry) (map[string]bool, error) {
	known := make(map[string]bool, len(report))
	for _, found := range report {
		known[found.Token] = false
	}
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(atOnce)
	for _, text := range slices.Collect(maps.Keys(known)) {
		all.Go(func() error {
			ours, err := e.cfg.Leaked(ctx, text)
			mu.Lock()
			defer mu.Unlock()
			known[text] = ours
			return err
		})
	}
	return known, all.Wait()
}

func unreadable(err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return tooMany()
	}
	return web.Refuse(http.StatusBadRequest, "invalid_request", "The request broke off.", err)
}

func tooMany() error {
	return web.Refuse(http.StatusRequestEntityTooLarge, "invalid_request", "The report is too large.", nil)
}
