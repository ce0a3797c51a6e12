package mail

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

const (
	// standardLife is for how long a mail is worth sending that says nothing else.
	standardLife = 24 * time.Hour
	// maxMessage bounds what one mail says, in bytes.
	maxMessage = 32 << 10
	// storing is how long a room is given to store what was prepared for it, before the
	// worker is woken.
	storing = 200 * time.Millisecond
)

// ErrTooLong: nobody writes mails of more than 32 KiB.
var ErrTooLong = errors.New("mail: the message is too long")

// Store is what mails are kept in.
type Store interface {
	storage.TenantOpener
	// DueMails is that of [storage.Chores].
	DueMails(ctx context.Context, now time.Time, limit int) ([]storage.Mail, error)
}

// Config is what a Box needs. What stands before Log is required.
type Config struct {
	Store  Store
	Sealer *seal.Sealer
	Sender Sender
	Now    func() time.Time

	Log *slog.Logger // nil: nothing is logged
	// Registerer gets the counter of attempts; nil: none is kept.
	Registerer prometheus.Registerer
	// Issuer is who says so, at the end of each mail; "": nobody in particular.
	Issuer string
	// Support is whom to ask, where a message does not say it: an address or a sentence.
	Support string
}

// Box takes mails and sends them. It is safe for concurrent use, by any number of
// nodes.
type Box struct {
	cfg  Config
	sent *prometheus.CounterVec
	due  chan struct{}

	mu   sync.Mutex
	over map[ending]bool // guarded by mu: what the store has not noted yet
}

// ending is how a mail ended.
type ending struct {
	tenant  storage.TenantID
	id      storage.MailID
	outcome string
}

var _ Post = (*Box)(nil)

// New returns a box. Its owner calls Tick.
func New(cfg Config) *Box {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Box{cfg: cfg, sent: counter(cfg.Registerer), due: make(chan struct{}, 1), over: map[ending]bool{}}
}

// counter is the node's, whoever makes it first.
func counter(reg prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "watchgate_mails_total",
		Help: "E-mails by kind and outcome: sent, refused and given_up are final; delayed is an attempt that is made again.",
	}, []string{"kind", "outcome"})
	if reg == nil {
		return c
	}
	var there prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &there) {
		if other, ok := there.ExistingCollector.(*prometheus.CounterVec); ok {
			return other
		}
	}
	return c
}

// now is the clock in the precision of the store.
func (b *Box) now() time.Time { return b.cfg.Now().UTC().Truncate(time.Millisecond) }

// Due gets a token when there is something to send, as far as this node knows: then
// Tick need not wait for its time.
func (b *Box) Due() <-chan struct{} { return b.due }

// Wake puts the token there.
func (b *Box) Wake() {
	select {
	case b.due <- struct{}{}:
	default: // somebody did
	}
}

// Queue stores a mail; it is sent soon. ErrAddress, ErrTooLong,
// [templates.ErrNoMail]: there is no such mail. Other errors are the store's.
func (b *Box) Queue(ctx context.Context, t storage.TenantID, m Message) error {
	row, err := b.Prepare(t, m)
	if err != nil {
		return err
	}
	if err := b.cfg.Store.Tenant(t).QueueMail(ctx, row); err != nil {
		return fmt.Errorf("mail: queue: %w", err)
	}
	b.Wake()
	return nil
}

// Prepare seals a mail for a room that stores it together with something else, at
// once. Errors: those of Queue but the store's.
func (b *Box) Prepare(t storage.TenantID, m Message) (storage.Mail, error) {
	now := b.now()
	m.Fields = b.complete(m.Fields, now)
	if err := checkAddress(m.To); err != nil {
		return storage.Mail{}, err
	}
	if _, _, _, err := templates.Mail(string(m.Kind), m.Fields); err != nil {
		return storage.Mail{}, fmt.Errorf("mail: %w", err)
	}
	row := storage.Mail{
		ID: storage.NewMailID(now), Tenant: t, Kind: string(m.Kind), To: m.To,
		CreatedAt: now, ExpiresAt: now.Add(cmp.Or(m.Life, standardLife)), NextAt: now,
	}
	var err error
	if row.Sealed, err = b.close(row, m); err != nil {
		return storage.Mail{}, err
	}
	time.AfterFunc(storing, b.Wake)
	return row, nil
}

// complete adds what every mail says.
func (b *Box) complete(fields map[string]string, now time.Time) map[string]string {
	all := map[string]string{"at": now.Format(time.RFC3339), "issuer": b.cfg.Issuer, "support": b.cfg.Support}
	maps.Copy(all, fields)
	return all
}

// letter is what is sealed: with the address, so that nobody who can write to the
// database has a link sent to themselves.
type letter struct {
	Kind   Kind              `json:"kind"`
	To     string            `json:"to"`
	Fields map[string]string `json:"fields"`
}

func placeOf(t storage.TenantID, id storage.MailID) seal.Place {
	return seal.Place{Tenant: t, Table: "mails", Column: "sealed", Row: string(id)}
}

func (b *Box) close(row storage.Mail, m Message) ([]byte, error) {
	plain, err := json.Marshal(letter{Kind: m.Kind, To: m.To, Fields: m.Fields})
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	if len(plain) > maxMessage {
		return nil, ErrTooLong
	}
	sealed, err := b.cfg.Sealer.Seal(placeOf(row.Tenant, row.ID), plain)
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return sealed, nil
}

// open is the mail that a row holds.
func (b *Box) open(row storage.Mail) (Envelope, error) {
	plain, err := b.cfg.Sealer.Open(placeOf(row.Tenant, row.ID), row.Sealed)
	if err != nil {
		return Envelope{}, err
	}
	var l letter
	if err := json.Unmarshal(plain, &l); err != nil {
		return Envelope{}, errors.New("what was sealed is no mail")
	}
	e := Envelope{ID: row.ID, Kind: l.Kind, To: l.To, Date: row.CreatedAt}
	e.Subject, e.Text, e.HTML, err = templates.Mail(string(l.Kind), l.Fields)
	return e, err
}
