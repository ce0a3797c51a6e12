package leak

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// The headers of a report.
const (
	headerKey       = "Github-Public-Key-Identifier"
	headerSignature = "Github-Public-Key-Signature"
)

const (
	// keepFor is after how long the keys are read again, so that one that GitHub took
	// back does not count for ever.
	keepFor = 24 * time.Hour
	// refetch is the least time between two readings that reports can cause.
	refetch = time.Minute
)

var errUnsigned = errors.New("leak: not signed by a published key")

// keyring is the published keys, as they were read last.
type keyring struct {
	fetch func(ctx context.Context, url string) ([]byte, error)
	url   string
	now   func() time.Time

	mu    sync.Mutex
	keys  map[string]*ecdsa.PublicKey
	read  time.Time // when the keys were read
	asked time.Time // when they were last asked for
}

// verify checks the signature over the raw body: ECDSA with P-256 and SHA-256, in
// ASN.1. errUnsigned: there is none that counts. Any other error: that cannot be told
// now.
func (r *keyring) verify(ctx context.Context, h http.Header, body []byte) error {
	ids, signatures := h.Values(headerKey), h.Values(headerSignature)
	if len(ids) != 1 || len(signatures) != 1 || ids[0] == "" {
		return errUnsigned
	}
	signature, err := base64.StdEncoding.DecodeString(signatures[0])
	if err != nil {
		return errUnsigned
	}
	key, err := r.find(ctx, ids[0])
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(body); !ecdsa.VerifyASN1(key, sum[:], signature) {
		return errUnsigned
	}
	return nil
}

// find returns a published key. An identifier that is not known may be newer than what
// was read: then it is read again, but not for everyone who makes one up. The lock is
// held meanwhile, so that a crowd causes one request.
func (r *keyring) find(ctx context.Context, id string) (*ecdsa.PublicKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	old := r.keys == nil || now.Sub(r.read) >= keepFor
	if key := r.keys[id]; key != nil && !old {
		return key, nil
	}
	if r.asked.IsZero() || now.Sub(r.asked) >= refetch || now.Before(r.asked) {
		r.asked = now
		if err := r.load(ctx); err != nil {
			return nil, err
		}
		old = false
	}
	switch key := r.keys[id]; {
	case old:
		return nil, errors.New("leak: the published keys could not be read a moment ago")
	case key == nil:
		return nil, errUnsigned
	default:
		return key, nil
	}
}

// load reads the published keys. One that is not of the curve is left out.
func (r *keyring) load(ctx context.Context) error {
	doc, err := r.fetch(ctx, r.url)
	if err != nil {
		return fmt.Errorf("leak: read keys: %w", err)
	}
	var set struct {
		Keys []struct {
			ID  string `json:"key_identifier"`
			PEM string `json:"key"`
		} `json:"public_keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return fmt.Errorf("leak: read keys: %w", err)
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range set.Keys {
		if key := parse(k.PEM); key != nil {
			keys[k.ID] = key
		}
	}
	if len(keys) == 0 {
		return errors.New("leak: there are no keys where they are published")
	}
	r.keys, r.read = keys, r.now()
	return nil
}

func parse(text string) *ecdsa.PublicKey {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	any, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil
	}
	key, ok := any.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil
	}
	return key
}
