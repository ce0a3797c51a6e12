package backchannel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

const (
	// patience is how long an app has to answer; promptly is what the others expect.
	patience = 5 * time.Second
	promptly = time.Second
	// claimFor is how long an attempt has. No other node makes one meanwhile.
	claimFor = 20 * time.Second
	// noting is for how long the store is waited for after the end of an attempt, even
	// where the process is about to end. With patience it is below claimFor.
	noting = 10 * time.Second
	// giveUp is how long after the sign-out an app is last told.
	giveUp = 24 * time.Hour
)

// pauses are how long is waited after an attempt that failed; the last one is for all
// that follow.
var pauses = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 4 * time.Hour,
}

// How telling an app ends, and what the counter says of an attempt that is made again.
const (
	delivered = "delivered"
	refused   = "refused"
	givenUp   = "given_up"
	retried   = "retried"
)

// attend does what is due about one row.
func (w *Worker) attend(ctx context.Context, t task) (answer, error) {
	l := t.logout
	if t.putOff {
		return none, w.later(ctx, l, l.Attempts/2)
	}
	client, err := w.cfg.Store.Client(ctx, l.Client)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return prompt, err
	}
	err = w.cfg.Store.Tenant(l.Tenant).TryLogout(ctx, l, w.now().Add(claimFor))
	if errors.Is(err, storage.ErrConflict) {
		return prompt, nil
	}
	if err != nil {
		return prompt, err
	}
	l.Attempts++
	if client.BackchannelLogoutURI == "" || !client.DisabledAt.IsZero() {
		return prompt, w.end(ctx, l, givenUp) // there is nobody to tell any more
	}
	return w.tell(ctx, l, client)
}

// tell is one attempt, of whoever has claimed the row.
func (w *Worker) tell(ctx context.Context, l storage.Logout, client storage.Client) (answer, error) {
	token, err := w.token(ctx, l, client)
	if err != nil {
		return prompt, fmt.Errorf("logout token: %w", err)
	}
	began := w.cfg.Now()
	status, err := w.post(ctx, client.BackchannelLogoutURI, token)
	how := prompt
	if w.cfg.Now().Sub(began) > promptly {
		how = late
	}
	switch {
	case err != nil:
		w.cfg.Log.WarnContext(ctx, "an app does not answer its logout token; it is tried again", append(about(l), slog.Any("cause", err))...)
		return none, w.later(ctx, l, (l.Attempts-1)/2)
	case status/100 == 2:
		return how, w.end(ctx, l, delivered)
	case again(status):
		w.cfg.Log.WarnContext(ctx, "an app could not take its logout token; it is tried again", append(about(l), slog.Int("status", status))...)
		return none, w.later(ctx, l, (l.Attempts-1)/2)
	}
	w.cfg.Log.WarnContext(ctx, "an app refused its logout token", append(about(l), slog.Int("status", status))...)
	return how, w.end(ctx, l, refused)
}

// again reports whether a status is about the moment, and not about the token.
func again(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// later ends a claim, or spares one: the next attempt is after a pause, and there is
// none after the end. An attempt counts twice, once at each end of it.
func (w *Worker) later(ctx context.Context, l storage.Logout, tries int) error {
	next := w.now().Add(pauses[min(tries, len(pauses)-1)])
	if !next.Before(l.EndedAt.Add(giveUp)) {
		w.cfg.Log.WarnContext(ctx, "an app was not told of a sign-out: it is given up", about(l)...)
		return w.end(ctx, l, givenUp)
	}
	w.told.WithLabelValues(retried).Inc()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noting)
	defer cancel()
	err := w.cfg.Store.Tenant(l.Tenant).TryLogout(ctx, l, next)
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

// end counts how a row has ended, and notes it.
func (w *Worker) end(ctx context.Context, l storage.Logout, outcome string) error {
	w.told.WithLabelValues(outcome).Inc()
	e := ending{l, outcome}
	w.mu.Lock()
	w.over[keyOf(l)] = e
	w.mu.Unlock()
	return w.finish(ctx, e)
}

// settle says again what the store did not note, before an app is told what it has
// been told.
func (w *Worker) settle(ctx context.Context) error {
	w.mu.Lock()
	over := slices.Collect(maps.Values(w.over))
	w.mu.Unlock()
	for _, e := range over {
		if err := w.finish(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func (w *Worker) finish(ctx context.Context, e ending) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noting)
	defer cancel()
	said := e.logout
	said.Attempts = (said.Attempts + 1) / 2
	ev := audit.LogoutDelivered(ctx, w.now(), said, e.outcome)
	err := w.cfg.Store.Tenant(said.Tenant).FinishLogout(ctx, e.logout, e.outcome, w.now(), ev)
	if err != nil && !errors.Is(err, storage.ErrConsumed) {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.over, keyOf(e.logout))
	return nil
}

// about is what a log says of a row.
func about(l storage.Logout) []any {
	return []any{
		slog.String("tenant", string(l.Tenant)), slog.String("client", string(l.Client)), slog.String("session", string(l.Session)),
		slog.Int("attempt", (l.Attempts+1)/2),
	}
}
