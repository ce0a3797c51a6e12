package apikey

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

// pauses are how long is waited after an attempt that failed (Standard Webhooks 1.0.0,
// "Operational considerations"), with up to a tenth more. After the last one nobody is
// called any more.
var pauses = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

const (
	postTimeout = 20 * time.Second // below claimFor
	maxAnswer   = 1 << 10          // bytes of an answer that are read, and thrown away
	maxPause    = 24 * time.Hour
)

// message is what a webhook is sent when a key was rotated. It holds the secret: it is
// the hand-over.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      handOver  `json:"data"`
}

type handOver struct {
	Tenant      storage.TenantID `json:"tenant_id"`
	ID          storage.KeyID    `json:"id"`
	Secret      string           `json:"secret"`
	Name        string           `json:"name"`
	Profile     string           `json:"profile"`
	Predecessor storage.KeyID    `json:"predecessor"`
	OldEnds     time.Time        `json:"predecessor_ends_at"`
	Expires     *time.Time       `json:"expires_at,omitempty"`
}

// deliver makes one attempt to hand a successor over to its webhook.
func (k *Keys) deliver(ctx context.Context, d storage.KeyDelivery) error {
	now := k.now()
	err := k.claim(ctx, d.Tenant, &d, now)
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	if err != nil {
		return err
	}
	key, sealed, err := k.toSend(ctx, d)
	if err != nil {
		return errors.Join(err, k.later(ctx, d, k.pause(d.Attempts, 0)))
	}
	if key.WebhookURL == "" || dead(key, now) {
		return k.later(ctx, d, 0)
	}
	d.Sealed = sealed
	next, err := k.send(ctx, d, key)
	if err != nil {
		return errors.Join(err, k.later(ctx, d, k.pause(d.Attempts, 0)))
	}
	if next != nil {
		return k.later(ctx, d, *next)
	}
	err = k.cfg.Store.Tenant(d.Tenant).FinishDelivery(ctx, d.Key, k.now(), audit.KeyDelivered(ctx, k.now(), d, "webhook", audit.KeyBy{}))
	if errors.Is(err, storage.ErrConsumed) || errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// toSend reads the successor and its sealed secret.
func (k *Keys) toSend(ctx context.Context, d storage.KeyDelivery) (storage.APIKey, []byte, error) {
	store := k.cfg.Store.Tenant(d.Tenant)
	key, err := store.Key(ctx, d.Key)
	if err != nil {
		return key, nil, err
	}
	full, err := store.Delivery(ctx, d.Old)
	return key, full.Sealed, err
}

// later ends a claim: the next attempt is after a pause, 0 for none.
func (k *Keys) later(ctx context.Context, d storage.KeyDelivery, pause time.Duration) error {
	err := k.try(ctx, d.Tenant, &d, until(k.now(), pause))
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

// pause is how long to wait after a claim that failed, at least as long as the
// receiver asked for, and 0 when it was the last.
func (k *Keys) pause(attempts int, asked time.Duration) time.Duration {
	n := (attempts - 1) / 2
	if n >= len(pauses) {
		return 0
	}
	p := pauses[n] + rand.N(pauses[n]/10)
	return max(p, min(asked, maxPause))
}

// send posts the message. next is nil when it was taken, and else how long to wait.
func (k *Keys) send(ctx context.Context, d storage.KeyDelivery, key storage.APIKey) (next *time.Duration, err error) {
	if k.poster == nil || webhookOf(key.WebhookURL) != nil {
		none := time.Duration(0)
		return &none, nil
	}
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	req, err := k.signed(ctx, d, key)
	if err != nil {
		return nil, err
	}
	resp, err := k.poster.Do(req)
	if err != nil {
		// What is wrong there is the receiver's business, and ours to try again.
		pause := k.pause(d.Attempts, 0)
		k.unheard(ctx, d, "no answer")
		return &pause, nil
	}
	defer resp.Body.Close()
	if _, err := io.CopyN(io.Discard, resp.Body, maxAnswer); err != nil && !errors.Is(err, io.EOF) {
		k.cfg.Log.DebugContext(ctx, "the answer of a webhook broke off", slog.String("key", string(d.Key)))
	}
	if resp.StatusCode/100 == 2 {
		return nil, nil
	}
	k.unheard(ctx, d, strconv.Itoa(resp.StatusCode))
	pause := k.afterStatus(d, resp)
	return &pause, nil
}

// afterStatus: 410 is that the receiver is no more; 429, 502 and 504 may say when it
// will listen.
func (k *Keys) afterStatus(d storage.KeyDelivery, resp *http.Response) time.Duration {
	switch resp.StatusCode {
	case http.StatusGone:
		return 0
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31)
		if err == nil {
			return k.pause(d.Attempts, time.Duration(seconds)*time.Second)
		}
	}
	return k.pause(d.Attempts, 0)
}

func (k *Keys) unheard(ctx context.Context, d storage.KeyDelivery, answer string) {
	k.cfg.Log.WarnContext(ctx, "a webhook did not take the successor of an API key", slog.String("tenant", string(d.Tenant)),
		slog.String("key", string(d.Old)), slog.String("answer", answer), slog.Int("attempt", (d.Attempts+1)/2))
}

// signed is the request of one attempt: the same id and body in each, and the time and
// signature of this one (Standard Webhooks 1.0.0, "Signature scheme").
func (k *Keys) signed(ctx context.Context, d storage.KeyDelivery, key storage.APIKey) (*http.Request, error) {
	secret, err := k.cfg.Sealer.Open(webhookPlace(d.Tenant, key.ID), key.SealedWebhookSecret)
	if err != nil {
		return nil, fmt.Errorf("webhook secret: %w", err)
	}
	body, err := k.body(d, key)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, key.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the webhook's URL cannot be called")
	}
	id := "msg_" + string(d.Key)
	at := strconv.FormatInt(k.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", signature(secret, id+"."+at+".", body))
	return req, nil
}

func (k *Keys) body(d storage.KeyDelivery, key storage.APIKey) ([]byte, error) {
	secret, err := k.cfg.Sealer.Open(deliveryPlace(d.Tenant, d.Key), d.Sealed)
	if err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	m := message{Type: "key.rotated", Timestamp: d.CreatedAt.UTC(), Data: handOver{
		Tenant: d.Tenant, ID: key.ID, Secret: string(secret), Name: key.Name, Profile: key.Profile,
		Predecessor: d.Old, OldEnds: d.ExpiresAt.UTC(),
	}}
	if end := key.ExpiresAt.UTC(); !end.IsZero() {
		m.Data.Expires = &end
	}
	return json.Marshal(m)
}

func signature(secret []byte, head string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(head))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// unredirected is a poster that follows no redirect: a secret goes where its owner
// said, and nowhere else (NW-04).
func unredirected(p Poster) Poster {
	c, ok := p.(*http.Client)
	if !ok || c == nil {
		return p
	}
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
