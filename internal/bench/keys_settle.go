package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// Keys are inserted straight into PostgreSQL, as tokens are (people.go), in the order
// in which they would have been made.

// keyring is some live keys of one profile.
type keyring struct {
	tenant          string
	profile, prefix string
	owner           func(i int) string
	scopes, allowed string // as they are stored
	count           int
}

// keyApart is the time between two keys of a ring.
const keyApart = time.Minute

// insert stores the keys and returns them, the oldest first.
func (k keyring) insert(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	columns := []string{"tenant_id", "id", "profile", "name", "hash", "hint", "kid", "owner_id", "client_id", "parent_id", "scopes", "allowed_ips",
		"created_at", "expires_at", "revoked_reason", "predecessor", "successor", "webhook_url", "version"}
	first := time.Now().Add(-time.Duration(k.count) * keyApart)
	ends := time.Now().Add(90 * 24 * time.Hour).UnixMilli()
	keys := make([]string, k.count)
	err := copyRows(ctx, conn, "api_keys", columns, 0, k.count, func(i int) []any {
		made := first.Add(time.Duration(i) * keyApart)
		id := storage.NewKeyID(made)
		keys[i] = token.NewKey(k.prefix, id)
		hash := sha256.Sum256([]byte(keys[i]))
		return []any{k.tenant, string(id), k.profile, fmt.Sprintf("key %d", i), hash[:], token.KeyHint(keys[i]), "", k.owner(i), "", "",
			k.scopes, k.allowed, made.UnixMilli(), ends, "", "", "", "", 1}
	})
	return keys, err
}

// account is a tenant with an owner, whose keys are all that it has.
type account struct {
	tenant string
	count  int
	key    string // one of them, which may list them
}

// newAccount makes a tenant with so many keys.
func (s *site) newAccount(ctx context.Context, conn *pgx.Conn, slug string, count int) (*account, error) {
	tenant, err := s.operate(ctx, nil, "tenant", "create", slug, "--name", slug)
	if err != nil {
		return nil, err
	}
	owner := personID("usr_", count)
	err = copyRows(ctx, conn, "users", []string{"tenant_id", "id", "role", "email", "email_verified", "claims", "created_at", "version"}, 0, 1,
		func(int) []any {
			return []any{tenant["id"], owner, "owner", "owner@" + slug + ".test", true, "", time.Now().UnixMilli(), 1}
		})
	if err != nil {
		return nil, err
	}
	keys, err := keyring{
		tenant: tenant["id"], profile: "default", prefix: "wgk_", owner: func(int) string { return owner },
		scopes: "api-keys:read monitor:read", count: count,
	}.insert(ctx, conn)
	if err != nil {
		return nil, err
	}
	return &account{tenant: tenant["id"], count: count, key: keys[0]}, nil
}
