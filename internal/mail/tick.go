package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/watchgate/watchgate/storage"
)

const (
	// batch is how many due mails are read at once.
	batch = 100
	// atOnce is how many are sent at once: one that a server takes its time over does
	// not hold up the others.
	atOnce = 8
	// claimFor is how long an attempt has. No other node makes one meanwhile.
	claimFor = 2 * time.Minute
	// patience is for how long a sender is waited for: below claimFor, so that the
	// outcome is noted before the claim is over.
	patience = 90 * time.Second
	// noting is for how long the store is waited for after the end of an attempt, even
	// where the process is about to end.
	noting = 10 * time.Second
)

// pauses are how long is waited after an attempt that failed; the last one is for all
// that follow.
var pauses = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour}

// How a mail ends, and what the counter says of an attempt that is made again.
const (
	sent    = "sent"
	refused = "refused"
	givenUp = "given_up"
	delayed = "delayed"
)

// Tick sends what is due. Any number of nodes may run it at once, and again; run it
// every few seconds, and whenever [Box.Due] says so. What fails for one mail does not
// stop the others, and is tried again later. The error has what the store did not do;
// what a mail server did not do is in the log and in the counter.
func (b *Box) Tick(ctx context.Context) error {
	if err := b.settle(ctx); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	due, err := b.cfg.Store.DueMails(ctx, b.now(), batch)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	failed := make([]error, len(due))
	var senders errgroup.Group
	senders.SetLimit(atOnce)
	for i, m := range due {
		senders.Go(func() error {
			if err := b.attend(ctx, m); err != nil {
				failed[i] = fmt.Errorf("mail: %s: %w", m.ID, err)
			}
			return nil
		})
	}
	err = errors.Join(append(failed, senders.Wait())...)
	if len(due) == batch && err == nil {
		b.Wake() // there may be more
	}
	return err
}

// attend does what is due about one mail.
func (b *Box) attend(ctx context.Context, m storage.Mail) error {
	if !b.now().Before(m.ExpiresAt) {
		b.cfg.Log.WarnContext(ctx, "a mail was given up: it is not worth sending any more", about(m)...)
		return b.end(ctx, m, givenUp)
	}
	err := b.cfg.Store.Tenant(m.Tenant).TryMail(ctx, m, b.now().Add(claimFor))
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	m.Attempts++
	return b.attempt(ctx, m)
}

// attempt is one attempt, of whoever has claimed the mail.
func (b *Box) attempt(ctx context.Context, m storage.Mail) error {
	switch err := b.send(ctx, m); {
	case err == nil:
		b.cfg.Log.InfoContext(ctx, "a mail was sent", about(m)...)
		return b.end(ctx, m, sent)
	case errors.Is(err, storage.ErrConsumed):
		return nil
	case errors.Is(err, ErrRefused):
		b.cfg.Log.WarnContext(ctx, "a mail was refused for good", append(about(m), slog.String("cause", err.Error()))...)
		return b.end(ctx, m, refused)
	default:
		b.cfg.Log.WarnContext(ctx, "a mail could not be sent, and will be tried again", append(about(m), slog.String("cause", err.Error()))...)
		return b.later(ctx, m)
	}
}

func (b *Box) send(ctx context.Context, m storage.Mail) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	row, err := b.cfg.Store.Tenant(m.Tenant).Mail(ctx, m.ID)
	switch {
	case err != nil:
		return err
	case !row.DoneAt.IsZero():
		return storage.ErrConsumed
	}
	row.Tenant = m.Tenant
	e, err := b.open(row)
	if err != nil {
		return err
	}
	return b.cfg.Sender.Send(ctx, e)
}

// later ends a claim: the next attempt is after a pause, and none is after the end.
// An attempt that was claimed is counted twice, once at each end.
func (b *Box) later(ctx context.Context, m storage.Mail) error {
	b.sent.WithLabelValues(m.Kind, delayed).Inc()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noting)
	defer cancel()
	next := b.now().Add(pauses[min((m.Attempts-1)/2, len(pauses)-1)])
	if next.After(m.ExpiresAt) {
		next = m.ExpiresAt
	}
	err := b.cfg.Store.Tenant(m.Tenant).TryMail(ctx, m, next)
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

// end counts how a mail has ended, and notes it.
func (b *Box) end(ctx context.Context, m storage.Mail, outcome string) error {
	b.sent.WithLabelValues(m.Kind, outcome).Inc()
	e := ending{tenant: m.Tenant, id: m.ID, outcome: outcome}
	b.mu.Lock()
	b.over[e] = true
	b.mu.Unlock()
	return b.finish(ctx, e)
}

// settle says again what the store did not note, before anything is sent that has been
// sent.
func (b *Box) settle(ctx context.Context) error {
	b.mu.Lock()
	over := slices.Collect(maps.Keys(b.over))
	b.mu.Unlock()
	for _, e := range over {
		if err := b.finish(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (b *Box) finish(ctx context.Context, e ending) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noting)
	defer cancel()
	err := b.cfg.Store.Tenant(e.tenant).FinishMail(ctx, e.id, e.outcome, b.now())
	if err != nil && !errors.Is(err, storage.ErrConsumed) {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.over, e)
	return nil
}

// about is what a log says of a mail: not whom it is for.
func about(m storage.Mail) []any {
	return []any{
		slog.String("tenant", string(m.Tenant)), slog.String("mail", string(m.ID)), slog.String("kind", m.Kind),
		slog.Int("attempt", (m.Attempts+1)/2),
	}
}
