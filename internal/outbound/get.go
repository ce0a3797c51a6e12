package outbound

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Get fetches a public document: status 200, at most limit bytes, of one of
// contentTypes (none: any), no redirect. Concurrent calls for one document are
// one request. Errors: ErrRefused, ErrTooLarge, ErrFetch.
func (c *Client) Get(ctx context.Context, url string, limit int64, contentTypes ...string) ([]byte, error) {
	flight := c.flights.DoChan(flightKey(url, limit, contentTypes), func() (any, error) {
		// The request belongs to all who wait: one of them going away does not
		// end it, the client's own timeout does.
		return c.fetch(context.WithoutCancel(ctx), url, limit, contentTypes)
	})
	select {
	case <-ctx.Done():
		return nil, failure(ErrFetch, ctx.Err())
	case r := <-flight:
		if r.Err != nil {
			return nil, r.Err
		}
		return slices.Clone(r.Val.([]byte)), nil
	}
}

// flightKey is the same for calls that can share one request.
func flightKey(url string, limit int64, contentTypes []string) string {
	return strings.Join(append([]string{url, strconv.FormatInt(limit, 10)}, contentTypes...), "\x00")
}

func (c *Client) fetch(ctx context.Context, url string, limit int64, contentTypes []string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, failure(ErrRefused, errors.New("not a URL"))
	}
	if len(contentTypes) > 0 {
		req.Header.Set("Accept", strings.Join(contentTypes, ", "))
	}
	resp, err := c.HTTP(limit, 0).Do(req)
	if err != nil {
		return nil, failure(ErrFetch, err)
	}
	body, err := read(resp, contentTypes)
	if closing := resp.Body.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return nil, failure(ErrFetch, err)
	}
	return body, nil
}

func read(resp *http.Response, contentTypes []string) ([]byte, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("status " + strconv.Itoa(resp.StatusCode))
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if len(contentTypes) > 0 && (err != nil || !slices.Contains(contentTypes, kind)) {
		return nil, errors.New("unexpected content type")
	}
	return io.ReadAll(resp.Body)
}
