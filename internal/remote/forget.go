package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Forget removes what is kept for the server (for one tenant, if the client is for
// one), and ends it at the server. It returns the tenants that it was for. What is
// kept is gone even when the server could not be told: the error says so.
func (c *Client) Forget(ctx context.Context) ([]string, error) {
	var gone []entry
	err := change(c.cfg.Dir, func(w wallet) (wallet, error) {
		for {
			e, ok := w.find(c.server, c.cfg.Tenant)
			if !ok {
				return w, nil
			}
			gone, w = append(gone, e), w.without(e)
		}
	})
	if err != nil || len(gone) == 0 {
		return nil, err
	}
	tenants := make([]string, len(gone))
	for i, e := range gone {
		tenants[i] = e.Tenant
	}
	return tenants, c.end(ctx, gone)
}

// end revokes what was forgotten.
func (c *Client) end(ctx context.Context, gone []entry) error {
	m, err := discover(ctx, c.http, c.server)
	for _, e := range gone {
		if err == nil {
			err = c.revoke(ctx, m, e.Refresh)
		}
	}
	if err != nil {
		return fmt.Errorf("this machine has forgotten the credentials, but the server could not be told, where they stay good until they expire: %w", err)
	}
	return nil
}

// revoke ends a refresh token with everything that it gave (RFC 7009).
func (c *Client) revoke(ctx context.Context, m metadata, refresh string) error {
	form := url.Values{"client_id": {ClientID}, "token": {refresh}, "token_type_hint": {"refresh_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Revocation, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.http.Do(req)
	if err != nil {
		return plain(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", res.Status)
	}
	return nil
}
