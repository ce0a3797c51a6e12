package signer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage"
)

var (
	// ErrInvalid: the string is no JWS of one of our published keys. Why is not
	// told.
	ErrInvalid = errors.New("signer: not signed by us")
	// ErrAlg: no key signs with that algorithm.
	ErrAlg = errors.New("signer: no key for algorithm")
	// ErrUnknownKey: no published key has that kid.
	ErrUnknownKey = errors.New("signer: no such key")

	errKey = errors.New("sealed value is not the key that the kid names")
)

// Config is what a Signer needs. All but Use, Schedule and Log is required.
type Config struct {
	Keys storage.SigningKeys
	// Use is what the keys sign. The zero value is [storage.SignTokens]. Keys of
	// [storage.SignAPIKeys] are of EdDSA alone, whose signatures can be made again
	// (RFC 8032 section 5.1.6), and verify until somebody drops them, whatever
	// Schedule says.
	Use      storage.SigningUse
	Sealer   *seal.Sealer
	Now      func() time.Time
	Log      *slog.Logger // nil: slog.Default()
	Schedule Schedule
}

// Signer signs and verifies with the deployment's keys. It is safe for
// concurrent use.
type Signer struct {
	keys     storage.SigningKeys
	use      storage.SigningUse
	algs     []string
	sealer   *seal.Sealer
	clock    func() time.Time
	log      *slog.Logger
	schedule Schedule

	ring atomic.Pointer[ring]
	turn chan struct{} // held while keys are read or changed
}

// New reads the keys and makes what is missing. On an empty store the first key
// of each algorithm signs at once, and the next is published. It fails when the
// store does not answer, and with [seal.ErrSealed] when there are keys and the
// master secret opens none of them.
func New(ctx context.Context, cfg Config) (*Signer, error) {
	s := unread(cfg)
	if err := s.Tick(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// CanSign reports whether a key of each algorithm signs now. [seal.ErrSealed]
// names a key that should sign and does not open: the master that sealed it is
// not among ours. [New] does not ask, so that such a key can still be dropped.
func (s *Signer) CanSign(ctx context.Context) error {
	r, err := s.fresh(ctx, maxAge)
	if err != nil {
		return err
	}
	for _, alg := range s.algs {
		if _, ok := r.active(alg, s.now()); ok {
			continue
		}
		for _, row := range r.rows {
			if row.Alg == alg && signs(row, s.now()) {
				return fmt.Errorf("signer: active %s key %s: %w", alg, row.KID, seal.ErrSealed)
			}
		}
		return fmt.Errorf("%w %q", ErrAlg, alg)
	}
	return nil
}

// unread returns a Signer that has read no keys yet.
func unread(cfg Config) *Signer {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Signer{
		keys: cfg.Keys, use: cfg.Use, algs: algs, sealer: cfg.Sealer, clock: cfg.Now, log: cfg.Log,
		schedule: cfg.Schedule.withDefaults(), turn: make(chan struct{}, 1),
	}
	if cfg.Use == storage.SignAPIKeys {
		s.algs, s.schedule.KeepFor = []string{EdDSA}, Forever
	}
	return s
}

// String keeps the private keys out of whatever prints a Signer.
func (s *Signer) String() string { return "signer.Signer" }

// GoString is String for %#v.
func (s *Signer) GoString() string { return s.String() }

// now is the clock in the precision of the store.
func (s *Signer) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }

// Algs returns the algorithms that there are keys for, RS256 first.
func (s *Signer) Algs() []string { return slices.Clone(s.algs) }

// Sign returns claims as a compact JWS (RFC 7515 section 7.1) with kid and typ
// ("" leaves typ out), by the active key of alg. ErrAlg: there is none. Any
// other error: the keys could not be read, or claims is no JSON.
func (s *Signer) Sign(ctx context.Context, alg, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signer: encode claims: %w", err)
	}
	r, err := s.fresh(ctx, maxAge)
	if err != nil {
		return "", err
	}
	k, ok := r.active(alg, s.now())
	if !ok {
		return "", fmt.Errorf("%w %q", ErrAlg, alg)
	}
	return k.sign(typ, payload)
}

// Active returns the kid of the key that signs now with alg. ErrAlg: there is none.
// Any other error: the keys could not be read.
func (s *Signer) Active(ctx context.Context, alg string) (kid string, err error) {
	r, err := s.fresh(ctx, maxAge)
	if err != nil {
		return "", err
	}
	k, ok := r.active(alg, s.now())
	if !ok {
		return "", fmt.Errorf("%w %q", ErrAlg, alg)
	}
	return k.row.KID, nil
}

// SignWith is Sign by the key of a kid, also one that signs nothing new any more:
// with EdDSA the same claims give the same bytes again. ErrUnknownKey: no key that
// is kept has that kid. Any other error: the keys could not be read, or claims is
// no JSON.
func (s *Signer) SignWith(ctx context.Context, kid, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signer: encode claims: %w", err)
	}
	k, err := s.find(ctx, kid)
	if errors.Is(err, ErrInvalid) {
		return "", fmt.Errorf("%w %q", ErrUnknownKey, kid)
	}
	if err != nil {
		return "", err
	}
	return k.sign(typ, payload)
}

func (k key) sign(typ string, payload []byte) (string, error) {
	opts := &jose.SignerOptions{}
	if typ != "" {
		opts = opts.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.row.Alg), Key: k.private}, opts)
	if err != nil {
		return "", fmt.Errorf("signer: key %s: %w", k.row.KID, err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("signer: key %s: %w", k.row.KID, err)
	}
	return signed.CompactSerialize()
}

// JWKS returns the public keys as a JWK set (RFC 7517 section 5): everything
// published, also what does not sign yet or any more. The bytes are shared: do
// not change them. While the store is away the set that was read last is
// returned for as long as no unseen key can have begun to sign.
func (s *Signer) JWKS(ctx context.Context) ([]byte, error) {
	r, err := s.fresh(ctx, maxAge)
	if err == nil {
		return r.jwks, nil
	}
	if r = s.ring.Load(); s.now().Sub(r.loaded) < s.schedule.PublishAhead {
		s.log.WarnContext(ctx, "the JWKS is served as last read", slog.Any("err", err))
		return r.jwks, nil
	}
	return nil, err
}
