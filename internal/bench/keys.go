package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/watchgate/watchgate/internal/process"
)

// keysProduct is the product of the node on which keys are compared: keys as they are
// by default, keys that may not be used too often, and keys that are good from some
// addresses only. No key comes near its rate, which would be another answer.
const keysProduct = `resources:
  monitor:
    description: Monitors
    actions:
      read: {scope: "monitor:read", description: "See your monitors"}
roles:
  owner: ["*"]
  member: ["monitor:read"]
keys:
  default: default
  profiles:
    default: {prefix: default_}
    rated: {prefix: rated_, rate: {requests: 60000, per: 1m, burst: 10000}}
    fenced: {prefix: fenced_, allowed_ips: required}
`

// measureKeys compares API keys with access tokens, accounts of many keys with
// accounts of few, and making keys with inserting rows; and weighs the rate limiter.
func measureKeys(ctx context.Context, b *bench) error {
	for _, part := range []func(context.Context, *bench) error{measureListing, measureCreating, measureKeyIntrospection, measureLimiter} {
		if err := part(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// joinProduct starts a node that serves keysProduct.
func (s *site) joinProduct(ctx context.Context) (*process.Node, error) {
	const file = "bench-product.yaml"
	err := os.WriteFile(filepath.Join(s.deployment.Dir, file), []byte(keysProduct), 0o600)
	if err != nil {
		return nil, err
	}
	return s.join(ctx, "product", "catalogue_file: "+file)
}
