package signer

import (
	"context"

	"github.com/go-jose/go-jose/v4"
)

// maxJWS bounds what is parsed, in bytes. Our ID tokens are below 8 KB.
const maxJWS = 32 << 10

var accepted = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

// Verify returns the payload of a compact JWS that one of our published keys
// signed. The key is found by kid alone, and alg must be that key's: none, HS256
// and keys that the header brings along (jwk, jku, x5u, x5c) have no effect
// (RFC 8725 sections 3.1 and 3.10). It does not look at the payload: exp, iss
// and aud are the caller's. ErrInvalid; any other error means that the keys
// could not be read.
func (s *Signer) Verify(ctx context.Context, compact string) ([]byte, error) {
	if len(compact) > maxJWS {
		return nil, ErrInvalid
	}
	jws, err := jose.ParseSignedCompact(compact, accepted)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, ErrInvalid
	}
	header := jws.Signatures[0].Protected
	k, err := s.find(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	if header.Algorithm != k.row.Alg {
		return nil, ErrInvalid
	}
	payload, err := jws.Verify(k.public.Key)
	if err != nil {
		return nil, ErrInvalid
	}
	return payload, nil
}

// find returns the published key of a kid. An unknown one may be newer than what
// this node read; then it reads again, but not for every made-up kid.
func (s *Signer) find(ctx context.Context, kid string) (key, error) {
	r, err := s.fresh(ctx, maxAge)
	if err != nil {
		return key{}, err
	}
	k, ok := r.published(kid, s.now())
	if !ok && kid != "" {
		if r, err = s.fresh(ctx, recheck); err != nil {
			return key{}, err
		}
		k, ok = r.published(kid, s.now())
	}
	if !ok {
		return key{}, ErrInvalid
	}
	return k, nil
}
