package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// attempts is how often a request is sent whose answer does not come.
const attempts = 3

// maxWait is the longest that a server's Retry-After is waited for.
const maxWait = 10 * time.Second

// request is one call of the API.
type request struct {
	method, path string // path with its query
	body         any    // nil: none
	// once gives a POST its Idempotency-Key, so that an answer that was lost on the
	// way can be fetched by sending it again.
	once string
}

// newID is a fresh Idempotency-Key.
func newID() string { return rand.Text() }

// answer is a success.
type answer struct {
	header http.Header
	body   []byte
}

// call sends a request as whoever the client is. A credential that is no longer
// good is renewed once; a sign-in that is not fresh or strong enough is repeated.
func (c *Client) call(ctx context.Context, r request) (answer, error) {
	credential, err := c.credential(ctx, false)
	if err != nil {
		return answer{}, err
	}
	a, err := c.insist(ctx, r, credential)
	var p *Problem
	if c.cfg.APIKey != "" || !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
		return a, err
	}
	if need, ok := p.wants(); ok && c.cfg.Show != nil {
		_, credential, err = c.signIn(ctx, need)
	} else if ok {
		return a, err
	} else {
		credential, err = c.credential(ctx, true)
	}
	if err != nil {
		return answer{}, err
	}
	return c.insist(ctx, r, credential)
}

// insist sends a request until it is answered, if sending it twice does what
// sending it once does.
func (c *Client) insist(ctx context.Context, r request, credential string) (answer, error) {
	for i := 1; ; i++ {
		a, err := c.send(ctx, r, credential)
		wait, again := c.again(err)
		if !again || i == attempts || ctx.Err() != nil || (r.method == http.MethodPost && r.once == "") {
			return a, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return a, err
		case <-timer.C:
		}
	}
}

// again reports whether the same request may get another answer, and when.
func (c *Client) again(err error) (time.Duration, bool) {
	var p *Problem
	switch {
	case err == nil, errors.Is(err, errRedirected):
		return 0, false
	case !errors.As(err, &p):
		return c.retryWait, true // nothing came back
	case p.Status != http.StatusServiceUnavailable && p.Kind() != "idempotency-in-flight":
		return 0, false
	}
	if s, err := strconv.Atoi(p.retryAfter); err == nil && s > 0 {
		wait := time.Duration(s) * time.Second
		return wait, wait <= maxWait
	}
	return c.retryWait, true
}

// send is one attempt.
func (c *Client) send(ctx context.Context, r request, credential string) (answer, error) {
	req, err := c.newRequest(ctx, r)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+credential)
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("%s does not answer: %w", c.server, plain(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("the answer of %s is cut off: %w", c.server, plain(err))
	case len(body) > maxBody:
		return answer{}, fmt.Errorf("the answer of %s is longer than any should be", c.server)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return answer{}, problemOf(res, body)
	}
	return answer{header: res.Header, body: body}, nil
}

func (c *Client) newRequest(ctx context.Context, r request) (*http.Request, error) {
	var body io.Reader
	if r.body != nil {
		raw, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.server+r.path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", ClientID)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.once != "" {
		req.Header.Set("Idempotency-Key", r.once)
	}
	return req, nil
}

// read takes an answer apart.
func read[T any](a answer, err error) (T, error) {
	var v T
	if err == nil && json.Unmarshal(a.body, &v) != nil {
		err = errors.New("the server answers something that is no answer of this API")
	}
	return v, err
}
