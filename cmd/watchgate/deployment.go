package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/authz"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/backchannel"
	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/outbound"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// deployment is an open store with what every command and server needs of it.
type deployment struct {
	cfg    Config
	log    *slog.Logger
	store  storage.Store
	sealer *seal.Sealer
	signer *signer.Signer
	// keys are the API keys, and keySigner signs those that are JWTs, in a server;
	// keySigner is nil where none are.
	keys      *apikey.Keys
	keySigner *signer.Signer
	keyLimits *limit.Limiter
	asked     *introspect.Server
	people    *idp.Server
	// stopping is closed when a server is told to stop.
	stopping chan struct{}
	dir      *directory.Directory
	claims   *domains.Claims
	mail     *mail.Box // nil where there is nothing to send mails with
	connect  func() (idp.Connect, error)
	// logouts tells apps of sessions that are over, in a server.
	logouts *backchannel.Worker
	lock    *os.File // of the data folder; nil on PostgreSQL
	// outbound makes the client for everything that goes out, once.
	outbound func() (*outbound.Client, error)

	metrics *prometheus.Registry
	// waitedOut: a change waited for a whole lease, because some node did not answer.
	waitedOut atomic.Bool
	// node knows what changed, in a server that remembers answers; nil elsewhere.
	node *coherence.Node
}

// openDeployment opens the database that cfg names. On SQLite it takes the
// folder's lock, so that one process at a time has it.
func openDeployment(ctx context.Context, cfg Config, log *slog.Logger) (*deployment, error) {
	d := &deployment{cfg: cfg, log: log, metrics: prometheus.NewRegistry(), stopping: make(chan struct{}), outbound: sync.OnceValues(cfg.outboundClient)}
	d.connect = sync.OnceValues(d.newConnect)
	if err := d.open(ctx); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *deployment) open(ctx context.Context) error {
	var err error
	if d.sealer, err = sealerOf(d.cfg.secret); err != nil {
		return err
	}
	if dir := d.cfg.Database.DataDir; dir != "" {
		if d.lock, err = lockFolder(dir); err != nil {
			return err
		}
	}
	waits := countWaits(d.metrics)
	store, err := sqlstore.Open(ctx, sqlstore.Config{
		DSN: d.cfg.dsn(), MaxConns: d.cfg.perPool(), OnRoundTrip: countRoundTrips(d.metrics),
		OnWait: func(took time.Duration, all bool) {
			waits(took, all)
			if !all {
				d.waitedOut.Store(true)
			}
		},
	})
	if err != nil {
		return explainOpen(err)
	}
	d.store = store
	if err := d.store.Prepare(ctx, now()); err != nil {
		return fmt.Errorf("cannot prepare the database: %w", err)
	}
	d.signer, err = signer.New(ctx, signer.Config{
		Keys: d.store, Sealer: d.sealer, Now: now, Log: d.log,
		Schedule: signer.Schedule{
			PublishAhead: d.cfg.SigningKeys.PublishAhead, SignFor: d.cfg.SigningKeys.SignFor, KeepFor: d.cfg.SigningKeys.KeepFor,
		},
	})
	if err != nil {
		return explainKeys(err)
	}
	if err := d.openMail(); err != nil {
		return err
	}
	d.dir = directory.New(directory.Config{
		Store: d.store, Issuer: d.cfg.Issuer, Sealer: d.sealer, RedirectURI: authz.ValidRedirectURI, Discoverer: discovery{d},
		InsecureIssuers: d.cfg.Outbound.AllowLoopbackHTTP, Now: now, Post: d.post(),
	})
	d.claims = domains.New(domains.Config{
		Opener: d.store, Chores: d.store, Lookup: domains.Resolver(d.cfg.DNSServer), Teller: d.dir, Now: now, Log: d.log,
	})
	return nil
}

// explainKeys says what to do about signing keys that cannot be used.
func explainKeys(err error) error {
	if errors.Is(err, seal.ErrSealed) {
		return fmt.Errorf("the master secret does not fit this database: it was set up with another one, or an old line was taken "+
			"out of secret_file too early. Give the secret_file that belongs to it\n  cause: %w", err)
	}
	return fmt.Errorf("cannot load the signing keys: %w", err)
}

// outboundClient is the client of everything that goes out.
func (c Config) outboundClient() (*outbound.Client, error) {
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	return outbound.New(outbound.Config{
		AllowLoopbackHTTP: c.Outbound.AllowLoopbackHTTP, Timeout: c.Outbound.Timeout, UserAgent: "watchgate/" + version,
		Ports: c.Outbound.Ports, RootCAs: roots, Deny: c.deny,
	}), nil
}

func (d *deployment) operators() operators {
	return operators{
		directory: d.dir, domains: d.claims, signer: d.signer, keys: d.store, store: d.store, examine: d.examine, publicURL: d.cfg.Issuer,
	}
}

// close ends what open began, the lock last.
func (d *deployment) close() {
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			d.log.Error("closing the database", "error", err)
		}
	}
	if d.lock != nil {
		d.lock.Close()
	}
}

// countRoundTrips registers what the database is asked, and returns what counts
// it.
func countRoundTrips(reg prometheus.Registerer) func(statements int) {
	trips := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "watchgate_database_round_trips_total", Help: "Messages to the database that waited for an answer.",
	})
	statements := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "watchgate_database_statements_total", Help: "Statements in them.",
	})
	reg.MustRegister(trips, statements)
	return func(n int) {
		trips.Inc()
		statements.Add(float64(n))
	}
}

// countWaits registers how long changes waited until every node knew of them, and
// returns what counts it.
func countWaits(reg prometheus.Registerer) func(took time.Duration, all bool) {
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "watchgate_change_wait_seconds", Help: "How long a change that kills credentials waited until every node had applied it.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
	})
	expired := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "watchgate_change_waits_expired_total", Help: "Changes that waited for a whole lease, because some node did not answer.",
	})
	reg.MustRegister(seconds, expired)
	return func(took time.Duration, all bool) {
		seconds.Observe(took.Seconds())
		if !all {
			expired.Inc()
		}
	}
}

// dsn is the database's URL, or the path of its file.
func (c Config) dsn() string {
	if c.Database.DataDir != "" {
		return filepath.Join(c.Database.DataDir, "watchgate.db")
	}
	return c.databaseURL
}

// explainOpen says what to do about a database that does not open.
func explainOpen(err error) error {
	if errors.Is(err, sqlstore.ErrSchema) {
		return err // says what to run
	}
	return fmt.Errorf("cannot open the database. Is it running, and is its URL right?\n  cause: %w", err)
}

// now is the program's clock: UTC, in milliseconds, as the storage keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// newLog writes JSON lines at the configured level.
func newLog(w io.Writer, level string) *slog.Logger {
	l, err := logLevel(level)
	if err != nil {
		l = slog.LevelInfo
	}
	return web.NewLog(w, l)
}

// quietLog is for commands, which speak by their report.
func quietLog() *slog.Logger { return newLog(os.Stderr, "error") }

// dataDirConfig is the configuration of a server that has only a data folder:
// the one of `watchgate dev`.
func dataDirConfig(dir string) (Config, error) {
	c := defaults()
	c.Database.DataDir = dir
	c.Outbound.AllowLoopbackHTTP = true
	body, err := os.ReadFile(filepath.Join(dir, "secret"))
	switch {
	case errors.Is(err, os.ErrNotExist) && c.hasDatabase():
		return c, fmt.Errorf("the secret of the deployment in %s is not in that folder, and no server is running there: name the --config of its server", dir)
	case errors.Is(err, os.ErrNotExist):
		return c, fmt.Errorf("there is no deployment in %s: start one with `watchgate dev`, or name a --config or --data-dir", dir)
	case err != nil:
		return c, fmt.Errorf("cannot read the deployment's secret: %w", err)
	}
	c.secret = []byte(strings.TrimSpace(string(body)))
	return c, nil
}

// hasDatabase reports whether there is a SQLite database in the data folder.
func (c Config) hasDatabase() bool {
	_, err := os.Stat(c.dsn())
	return err == nil
}
