package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// maxExecutions is how much may run under a key at once, and how many of them are
// listed.
const maxExecutions = 1000

// List returns the keys that the actor sees, the newest first; f.Now is the present
// where it is not set.
func (k *Keys) List(ctx context.Context, a Actor, f storage.KeyFilter) ([]storage.APIKey, error) {
	f, any := k.narrowed(a, f)
	if !any {
		return nil, nil
	}
	out, err := k.tenant(a).ListKeys(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("apikey: %w", err)
	}
	return out, nil
}

// Count counts what List would list on all pages.
func (k *Keys) Count(ctx context.Context, a Actor, f storage.KeyFilter) (int, error) {
	f, any := k.narrowed(a, f)
	if !any {
		return 0, nil
	}
	n, err := k.tenant(a).CountKeys(ctx, f)
	if err != nil {
		return 0, fmt.Errorf("apikey: %w", err)
	}
	return n, nil
}

// narrowed is a filter within what the actor sees; not any: that is nothing.
func (k *Keys) narrowed(a Actor, f storage.KeyFilter) (_ storage.KeyFilter, any bool) {
	if f.Now.IsZero() {
		f.Now = k.now()
	}
	if a.runs() {
		return f, true
	}
	if f.Owner != nil && *f.Owner != a.User {
		return f, false
	}
	f.Owner = &a.User
	return f, true
}

// Get returns a key that the actor sees. Refusals: NotFound.
func (k *Keys) Get(ctx context.Context, a Actor, id storage.KeyID) (storage.APIKey, error) {
	key, _, err := k.find(ctx, a, id)
	return key, err
}

// Usage returns how a key was used since a day, the last use first. Refusals: NotFound.
func (k *Keys) Usage(ctx context.Context, a Actor, id storage.KeyID, since time.Time) ([]storage.KeyUse, error) {
	if _, _, err := k.find(ctx, a, id); err != nil {
		return nil, err
	}
	out, err := k.tenant(a).KeyUsage(ctx, id, since)
	if err != nil {
		return nil, fmt.Errorf("apikey: %w", err)
	}
	return out, nil
}

// StartExecution registers work that runs under a key and stops when it dies.
// Refusals: NotFound, Invalid, Gone, TooMany.
func (k *Keys) StartExecution(ctx context.Context, a Actor, id storage.KeyID, name string) (storage.KeyExecution, error) {
	key, _, err := k.find(ctx, a, id)
	if err != nil {
		return storage.KeyExecution{}, err
	}
	name, r := nameOf(name)
	if r != nil {
		return storage.KeyExecution{}, r
	}
	now := k.now()
	e := storage.KeyExecution{ID: storage.NewExecutionID(now), Key: id, Name: name, StartedAt: now}
	err = k.tenant(a).StartExecution(ctx, e, maxExecutions)
	switch {
	case errors.Is(err, storage.ErrConflict) && dead(key, now):
		return storage.KeyExecution{}, over()
	case errors.Is(err, storage.ErrConflict):
		return storage.KeyExecution{}, refuse(TooMany, fmt.Sprintf("The key has ended, or more than %d executions run under it.", maxExecutions))
	case err != nil:
		return storage.KeyExecution{}, fmt.Errorf("apikey: %w", err)
	}
	return e, nil
}

// EndExecution notes that work has ended. Ending again changes nothing. Refusals:
// NotFound.
func (k *Keys) EndExecution(ctx context.Context, a Actor, id storage.KeyID, e storage.ExecutionID) error {
	if _, _, err := k.find(ctx, a, id); err != nil {
		return err
	}
	err := k.tenant(a).EndExecution(ctx, id, e, k.now())
	if errors.Is(err, storage.ErrNotFound) {
		return refuse(NotFound, "There is no such execution.")
	}
	if err != nil {
		return fmt.Errorf("apikey: %w", err)
	}
	return nil
}

// Executions returns a key's, the newest first, a thousand at most. Refusals: NotFound.
func (k *Keys) Executions(ctx context.Context, a Actor, id storage.KeyID) ([]storage.KeyExecution, error) {
	if _, _, err := k.find(ctx, a, id); err != nil {
		return nil, err
	}
	out, err := k.tenant(a).Executions(ctx, id, maxExecutions)
	if err != nil {
		return nil, fmt.Errorf("apikey: %w", err)
	}
	return out, nil
}
