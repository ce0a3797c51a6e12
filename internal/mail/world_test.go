package mail_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/pgtest"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/storage/storagetest"
)

var start = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)

const secretLink = "https://auth.example.com/login/link/ten_1/wglk_SecretOfTheLink"

func TestMain(m *testing.M) { pgtest.Main(m) }

func migrate(dsn string) error { return sqlstore.Migrate(context.Background(), dsn) }

// world is a tenant with a box on a real store.
type world struct {
	*testing.T
	dsn    string
	store  *sqlstore.Store
	sealer *seal.Sealer
	tenant storage.TenantID
	reg    *prometheus.Registry
	log    *logged
	clock  *clock
}

// logged is a log that several goroutines write.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newWorld(t *testing.T) *world { return newWorldOn(t, storagetest.File(t, sqlstore.Migrate)) }

// onBoth runs a test on each engine: where a statement has to be the judge of a race.
func onBoth(t *testing.T, test func(*world)) {
	t.Run("SQLite", func(t *testing.T) { test(newWorld(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { test(newWorldOn(t, pgtest.Template(t, "mail", migrate))) })
}

func newWorldOn(t *testing.T, dsn string) *world {
	t.Helper()
	w := &world{T: t, dsn: dsn, reg: prometheus.NewRegistry(), log: &logged{}, clock: &clock{now: start}}
	w.store = w.open()
	w.must(w.store.Prepare(t.Context(), start))
	var err error
	w.sealer, err = seal.New([][]byte{bytes.Repeat([]byte{1}, seal.MinMaster)})
	w.must(err)
	tenant := storage.Tenant{ID: storage.NewTenantID(start), Slug: "acme", Name: "Acme", CreatedAt: start, Version: 1}
	ev := storage.Event{ID: storage.NewEventID(start), Time: start, Kind: "tenant.created", Outcome: "success"}
	w.must(w.store.CreateTenant(t.Context(), tenant, ev))
	w.tenant = tenant.ID
	return w
}

// open is one node's store.
func (w *world) open() *sqlstore.Store {
	w.Helper()
	store, err := sqlstore.Open(w.Context(), sqlstore.Config{DSN: w.dsn})
	w.must(err)
	w.Cleanup(func() { _ = store.Close() })
	return store
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) config(store mail.Store, s mail.Sender) mail.Config {
	return mail.Config{
		Store: store, Sealer: w.sealer, Sender: s, Now: w.clock.Now, Log: slog.New(slog.NewJSONHandler(w.log, nil)),
		Registerer: w.reg, Issuer: "https://auth.example.com", Support: "help@watch.example",
	}
}

func (w *world) box(s mail.Sender) *mail.Box { return mail.New(w.config(w.store, s)) }

func signInLink(to string) mail.Message {
	return mail.Message{Kind: mail.SignInLink, To: to, Fields: map[string]string{"link": secretLink}}
}

// queue adds a mail and returns its id.
func (w *world) queue(b *mail.Box, m mail.Message) storage.MailID {
	w.Helper()
	row, err := b.Prepare(w.tenant, m)
	w.must(err)
	w.must(w.store.Tenant(w.tenant).QueueMail(w.Context(), row))
	return row.ID
}

func (w *world) row(id storage.MailID) storage.Mail {
	w.Helper()
	m, err := w.store.Tenant(w.tenant).Mail(w.Context(), id)
	w.must(err)
	return m
}

// counted is how often an outcome was.
func (w *world) counted(kind mail.Kind, outcome string) (n float64) {
	w.Helper()
	all, err := w.reg.Gather()
	w.must(err)
	for _, f := range all {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if f.GetName() == "watchgate_mails_total" && slices.Equal(labels, []string{string(kind), outcome}) {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// senderFunc is a sender for a test.
type senderFunc func(context.Context, mail.Envelope) error

func (f senderFunc) Send(ctx context.Context, e mail.Envelope) error { return f(ctx, e) }
