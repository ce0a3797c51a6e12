package oidcconn

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

const (
	maxKeySet = 256 << 10 // bytes of a JWK set
	maxKeys   = 64        // of a set that are looked at
	minRSA    = 2048      // bits; RFC 7518 section 3.3
)

var (
	errSignature = errors.New("no key of the provider made the signature")
	errHeader    = errors.New("the JOSE header is not acceptable")
)

// keySet is a provider's keys at its jwks_uri (FO-21).
// An unknown key makes it read them again, at most once a minute; it reads them
// hourly in any case, so that a key which the provider has removed dies; while
// the provider is away the old ones serve for a day.
type keySet struct {
	cfg  Config
	url  string
	algs []jose.SignatureAlgorithm

	flights singleflight.Group
	mu      sync.Mutex
	keys    []publicKey
	read    time.Time // when keys were read
	tried   time.Time // when they were last asked for
}

// publicKey is a key of a set, with the issuer that it is published for, which only
// some providers say.
type publicKey struct {
	jose.JSONWebKey
	issuer string
}

// acceptable is what a signed token has to be, beside signed.
type acceptable struct {
	types []string // values of typ, in lower case; "": it may be absent
	// by reports whether a key that is published for an issuer may have signed the
	// payload; nil: every key may.
	by func(keyIssuer string, payload []byte) bool
}

func newKeySet(cfg Config, url string, algs []string) *keySet {
	k := &keySet{cfg: cfg, url: url}
	for _, a := range algs {
		k.algs = append(k.algs, jose.SignatureAlgorithm(a))
	}
	return k
}

// verify returns the payload of a compact JWS that one of the provider's keys signed.
func (k *keySet) verify(ctx context.Context, compact string, want acceptable) ([]byte, error) {
	if err := checkHeader(compact, want.types); err != nil {
		return nil, err
	}
	jws, err := jose.ParseSignedCompact(compact, k.algs)
	if err != nil {
		return nil, errHeader
	}
	keys, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Protected
	payload, known := verify(jws, candidates(keys, header), want)
	if payload != nil {
		return payload, nil
	}
	// A known kid with a bad signature is an attack or a defect: no reason to
	// let it make us fetch.
	if known && header.KeyID != "" {
		return nil, errSignature
	}
	if keys, err = k.again(ctx); err != nil {
		return nil, errors.Join(errSignature, err)
	}
	if payload, _ = verify(jws, candidates(keys, header), want); payload == nil {
		return nil, errSignature
	}
	return payload, nil
}

// checkHeader refuses what no token of ours needs: critical extensions (RFC 7515
// section 4.1.11: we understand none) and tokens that say they are of another
// type than those named (RFC 8725 section 3.11). A key that comes in the header, by value or by
// URL, is never looked at (FO-06).
func checkHeader(compact string, types []string) error {
	first, _, _ := strings.Cut(compact, ".")
	var header struct {
		Crit json.RawMessage `json:"crit"`
		Type string          `json:"typ"`
	}
	raw, err := decodeSegment(first)
	if err != nil || json.Unmarshal(raw, &header) != nil {
		return errHeader
	}
	typ := strings.TrimPrefix(strings.ToLower(header.Type), "application/")
	if header.Crit != nil || !slices.Contains(types, typ) {
		return errHeader
	}
	return nil
}

// candidates are the keys that may have made a signature with this header:
// those of its kid, or, when it names none, those that fit its algorithm.
func candidates(keys []publicKey, h jose.Header) []publicKey {
	var fit []publicKey
	for _, k := range keys {
		if (h.KeyID == "" || k.KeyID == h.KeyID) && (k.Algorithm == "" || k.Algorithm == h.Algorithm) && fits(k.Key, h.Algorithm) {
			fit = append(fit, k)
		}
	}
	return fit
}

// fits reports whether a public key can make signatures of alg.
func fits(key any, alg string) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSA && (strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS"))
	case *ecdsa.PublicKey:
		return strings.HasPrefix(alg, "ES")
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false // symmetric: an HMAC key in a public set is no key
}

// verify tries the keys; known reports whether there was one to try.
func verify(jws *jose.JSONWebSignature, keys []publicKey, want acceptable) (payload []byte, known bool) {
	for _, k := range keys {
		if payload, err := jws.Verify(k.Key); err == nil && (want.by == nil || want.by(k.issuer, payload)) {
			return payload, true
		}
	}
	return nil, len(keys) > 0
}

// current returns the keys, read again when they are an hour old.
func (k *keySet) current(ctx context.Context) ([]publicKey, error) {
	k.mu.Lock()
	keys, read := k.keys, k.read
	k.mu.Unlock()
	if keys != nil && k.cfg.Now().Sub(read) < discoveryAge {
		return keys, nil
	}
	return k.again(ctx)
}

// again reads the keys, unless that was tried within the minute, and falls back
// to those that are not older than a day.
func (k *keySet) again(ctx context.Context) ([]publicKey, error) {
	now := k.cfg.Now()
	k.mu.Lock()
	keys, fresh, tried := k.keys, now.Sub(k.read) < staleAge, k.tried
	k.mu.Unlock()
	if keys != nil && fresh && now.Sub(tried) < retryAge {
		return keys, nil
	}
	_, err, _ := k.flights.Do("keys", func() (any, error) { return nil, k.fetch(ctx) })
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil && (k.keys == nil || now.Sub(k.read) >= staleAge) {
		return nil, err
	}
	return k.keys, nil
}

// fetch outlives the caller that began it: others wait for it too.
func (k *keySet) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	keys, err := k.download(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tried = k.cfg.Now()
	if err == nil {
		k.keys, k.read = keys, k.tried
	}
	return err
}

func (k *keySet) download(ctx context.Context) ([]publicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, invalid("jwks_uri: %w", err)
	}
	resp, err := k.cfg.Client.Do(req)
	if err != nil {
		return nil, unavailable("jwks_uri", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySet+1))
	switch {
	case err != nil:
		return nil, unavailable("jwks_uri", err)
	case resp.StatusCode != http.StatusOK:
		return nil, invalid("jwks_uri: status %d", resp.StatusCode)
	case len(body) > maxKeySet:
		return nil, invalid("jwks_uri: more than %d bytes", maxKeySet)
	}
	return parseKeys(body)
}

// parseKeys takes the public signing keys of a set, and passes over keys that
// it does not understand (RFC 7517 section 5).
func parseKeys(body []byte) ([]publicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, invalid("jwks_uri: %w", fmt.Errorf("not a JWK set"))
	}
	keys := make([]publicKey, 0, len(set.Keys))
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var key jose.JSONWebKey
		var more struct {
			Issuer string `json:"issuer"`
		}
		if json.Unmarshal(raw, &key) == nil && json.Unmarshal(raw, &more) == nil && key.IsPublic() && slices.Contains([]string{"", "sig"}, key.Use) {
			keys = append(keys, publicKey{key, more.Issuer})
		}
	}
	return keys, nil
}
