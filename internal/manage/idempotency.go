package manage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

const (
	headerIdempotency = "Idempotency-Key"
	headerReplayed    = "Idempotency-Replayed"

	maxIdempotencyKey = 255 // bytes
	// answerLease is how long an answer may be in the making: longer than workTimeout
	// and noteTimeout together.
	answerLease = time.Minute
	// answerKept is how long an answer can be asked for again.
	answerKept = 24 * time.Hour
	// noteTimeout bounds noting an answer, however long it was in the making.
	noteTimeout = 5 * time.Second
)

// kept is an answer as it is stored, sealed: it may hold a secret.
type kept struct {
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

// idempotently runs an operation once for an Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header): step 4. Only successes are kept. A
// refusal changed nothing, and the same request may succeed later. What failed in
// another way may have been done.
func (rt *route) idempotently(c *call, r *http.Request) (*recorder, error) {
	key := r.Header.Get(headerIdempotency)
	if !rt.op.Idempotent || key == "" {
		return rt.run(c, r)
	}
	if len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(c rune) bool { return c < '!' || c > '~' }) {
		return nil, badRequest("The Idempotency-Key is not well formed.",
			Field{Field: headerIdempotency, In: "header", Detail: "It has 1 to 255 visible ASCII characters."})
	}
	req := c.idempotent(key)
	store := rt.api.cfg.Opener.Tenant(c.who.Tenant)
	before, err := store.BeginRequest(r.Context(), req)
	switch {
	case err != nil:
		return nil, err
	case before != nil:
		return rt.replay(c, req, *before)
	}
	return rt.runOnce(c, r, store, req)
}

// idempotent names a request. The caller is the credential's whole identity: what
// one of a tenant's people sent, another cannot ask for.
func (c *call) idempotent(key string) storage.IdempotentRequest {
	now := c.api.cfg.Now()
	return storage.IdempotentRequest{
		Caller:      digest(string(c.who.Tenant), string(c.who.User), string(c.who.Client), string(c.who.Key)),
		Key:         digest(key),
		Fingerprint: digest(c.op.Method, c.path, c.query.Encode(), string(c.body)),
		StartedAt:   now, LeaseUntil: now.Add(answerLease), ExpiresAt: now.Add(answerKept),
	}
}

// digest hashes parts so that no two lists of them are one.
func digest(parts ...string) [32]byte {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return [32]byte(h.Sum(nil))
}

// replay is the answer that the request got before.
func (rt *route) replay(c *call, req, before storage.IdempotentRequest) (*recorder, error) {
	switch {
	case before.Fingerprint != req.Fingerprint:
		return nil, Refuse(IdempotencyMismatch, "", Field{Field: headerIdempotency, In: "header", Detail: "It was used for another request."})
	case before.Status == 0:
		return nil, Refuse(IdempotencyInFlight, "")
	}
	plain, err := rt.api.cfg.Sealer.Open(c.answerPlace(req), before.Answer)
	if err != nil {
		return nil, fmt.Errorf("open a kept answer: %w", err)
	}
	var k kept
	if err := json.Unmarshal(plain, &k); err != nil {
		return nil, fmt.Errorf("read a kept answer: %w", err)
	}
	rec := &recorder{header: k.Header, status: k.Status}
	rec.header.Set(headerReplayed, "true")
	rec.body.Write(k.Body)
	return rec, nil
}

// runOnce runs the operation and notes how it went. Any failure but a refusal, and a
// panic, leave the request to its lease.
func (rt *route) runOnce(c *call, r *http.Request, store storage.Idempotency, req storage.IdempotentRequest) (*recorder, error) {
	rec, failed := rt.run(c, r)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), noteTimeout)
	defer cancel()
	if failed != nil {
		rt.forget(ctx, store, req, failed)
		return nil, failed
	}
	// What was done is done: who asked gets the answer, even if it cannot be kept.
	if err := rt.keep(ctx, c, store, req, rec); err != nil {
		rt.noteLost(ctx, err)
	}
	return rec, nil
}

// forget lets a request that changed nothing be sent again.
func (rt *route) forget(ctx context.Context, store storage.Idempotency, req storage.IdempotentRequest, failed error) {
	if !changedNothing(failed) {
		return
	}
	if err := store.ForgetRequest(ctx, req); err != nil {
		rt.noteLost(ctx, err)
	}
}

func (rt *route) keep(ctx context.Context, c *call, store storage.Idempotency, req storage.IdempotentRequest, rec *recorder) error {
	plain, err := json.Marshal(kept{Status: rec.status, Header: rec.header, Body: rec.body.Bytes()})
	if err != nil {
		return err
	}
	req.Status = rec.status
	if req.Answer, err = rt.api.cfg.Sealer.Seal(c.answerPlace(req), plain); err != nil {
		return err
	}
	return store.FinishRequest(ctx, req)
}

func (rt *route) noteLost(ctx context.Context, err error) {
	rt.api.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "the outcome of a request with an Idempotency-Key was not noted",
		slog.String("operation", rt.op.ID), slog.String("cause", err.Error()))
}

func (c *call) answerPlace(req storage.IdempotentRequest) seal.Place {
	return seal.Place{
		Tenant: c.who.Tenant, Table: "idempotent_requests", Column: "answer",
		Row: hex.EncodeToString(req.Caller[:]) + "/" + hex.EncodeToString(req.Key[:]),
	}
}
