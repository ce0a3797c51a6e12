package sqlstore

import (
	"context"
	"errors"

	"github.com/watchgate/watchgate/storage"
)

var (
	// beginRequest takes the place of a request whose answer will not come, or is
	// not kept any longer. Of two at once the second waits for the first.
	beginRequest = one(insert("idempotent_requests", under(requestColumns)) + `
		ON CONFLICT (tenant_id, caller, request_key) DO UPDATE SET fingerprint = excluded.fingerprint, started_at = excluded.started_at,
		lease_until = excluded.lease_until, expires_at = excluded.expires_at, status = excluded.status, answer = excluded.answer
		WHERE idempotent_requests.expires_at <= excluded.started_at
		OR (idempotent_requests.status = 0 AND idempotent_requests.lease_until <= excluded.started_at)`)
	// The start tells a request from the one that took its place.
	finishRequest = one(`UPDATE idempotent_requests SET status = $5, answer = $6
		WHERE tenant_id = $1 AND caller = $2 AND request_key = $3 AND started_at = $4 AND status = 0`)
	forgetRequest = some(`DELETE FROM idempotent_requests
		WHERE tenant_id = $1 AND caller = $2 AND request_key = $3 AND started_at = $4 AND status = 0`)
)

const findRequest = "SELECT " + requestColumns + " FROM idempotent_requests WHERE tenant_id = $1 AND caller = $2 AND request_key = $3"

// BeginRequest implements storage.Idempotency. ErrNotFound: no such tenant.
func (t *Tenant) BeginRequest(ctx context.Context, r storage.IdempotentRequest) (*storage.IdempotentRequest, error) {
	r.Status, r.Answer = 0, nil
	for {
		u := newUnit(t.id, "idempotent request")
		u.must(storage.ErrExists, beginRequest, owned(t.id, requestArgs(r))...)
		if err := write(ctx, t.engine, u); !errors.Is(err, storage.ErrExists) {
			return nil, err
		}
		var stored storage.IdempotentRequest
		err := find(ctx, t.engine, t.scope("idempotent request"), findRequest, requestFields(&stored), t.id, r.Caller[:], r.Key[:])
		if !errors.Is(err, storage.ErrNotFound) {
			return &stored, err
		}
		// It was forgotten in between.
	}
}

// FinishRequest implements storage.Idempotency. ErrConflict: it is no longer the
// caller's to answer.
func (t *Tenant) FinishRequest(ctx context.Context, r storage.IdempotentRequest) error {
	u := newUnit(t.id, "idempotent request")
	u.must(storage.ErrConflict, finishRequest, t.id, r.Caller[:], r.Key[:], when(r.StartedAt), int64(r.Status), optional(r.Answer))
	return write(ctx, t.engine, u)
}

// ForgetRequest implements storage.Idempotency.
func (t *Tenant) ForgetRequest(ctx context.Context, r storage.IdempotentRequest) error {
	u := newUnit(t.id, "idempotent request")
	u.do(forgetRequest, t.id, r.Caller[:], r.Key[:], when(r.StartedAt))
	return write(ctx, t.engine, u)
}
