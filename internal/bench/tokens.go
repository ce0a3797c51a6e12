package main

import (
	"context"
	"encoding/json"
	"net/url"
)

// insertToken is what pgbench does: one row a transaction into a table of the
// same shape, with the same key.
const insertToken = `INSERT INTO bench_tokens (hash, bucket, tenant_id, id, grant_id, client_id, user_id, session_id, connection_id,
  scopes, audience, acr, amr, claims, issued_at, expires_at)
VALUES (sha256((random()::text || clock_timestamp()::text)::bytea), 497000, 'ten_01kb0000000000000000000000', 'tok_01kb0000000000000000000000', '',
  'bench-m2m', '', '', '', '["monitor_read"]', '[]', '', '[]', '', 1789000000000, 1789003600000);
`

// clientCredentials is the request of a machine for a token.
func (s *site) clientCredentials() []byte {
	return post(s.deployment.Issuer, "/oauth2/token", s.machine, url.Values{"grant_type": {"client_credentials"}, "scope": {"monitor:read"}})
}

// issue gets one client-credentials token.
func (s *site) issue() (string, error) {
	w, err := dial(s.node.URL)
	if err != nil {
		return "", err
	}
	defer w.conn.Close()
	return tokenFrom(w.do(s.clientCredentials()))
}

func tokenFrom(status int, body []byte, err error) (string, error) {
	var out struct {
		AccessToken string `json:"access_token"`
	}
	if err := expect("token", status, body, err); err != nil {
		return "", err
	}
	err = json.Unmarshal(body, &out)
	return out.AccessToken, err
}

// measureClientCredentials compares tokens per second, durably committed with
// their audit events, with pgbench inserting rows.
func measureClientCredentials(ctx context.Context, b *bench) error {
	base, err := b.insertTokens(ctx)
	if err != nil {
		return err
	}
	request := b.site.clientCredentials()
	rate, err := load(ctx, b.site.node.URL, func(_ int, w *wire) error {
		status, body, err := w.do(request)
		return expect("client credentials", status, body, err)
	})
	b.figures.add("client-credentials tokens", rate, "1/s", base, "pgbench, one row a transaction, same shape", "ratio >= 0.5")
	return err
}

// insertTokens is how many tokens pgbench inserts a second.
func (b *bench) insertTokens(ctx context.Context) (float64, error) {
	if err := psql(ctx, b.pg.DSN("watchgate"), "CREATE TABLE IF NOT EXISTS bench_tokens (LIKE access_tokens INCLUDING ALL)"); err != nil {
		return 0, err
	}
	return b.pgbench(ctx, insertToken, workers, loadSecond)
}
