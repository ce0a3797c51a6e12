package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// callTimeout bounds a call; the stream of events has no end.
const callTimeout = 10 * time.Second

// refusal is a problem document (RFC 9457).
type refusal struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (p *refusal) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Title, p.Detail) }

// call sends a request with the key and reads a JSON answer. A key that is refused is
// [ErrDead].
func (r *Runner) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	resp, err := r.send(ctx, method, r.cfg.Server+path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= http.StatusBadRequest:
		return refused(resp.StatusCode, answer)
	case out == nil:
		return nil
	}
	return json.Unmarshal(answer, out)
}

// refused is what an answer says that is none.
func refused(status int, body []byte) error {
	if status == http.StatusUnauthorized {
		return fmt.Errorf("%w: it is refused", ErrDead)
	}
	if status >= http.StatusInternalServerError {
		return fmt.Errorf("the server answers %d", status)
	}
	p := &refusal{Status: status, Title: http.StatusText(status)}
	// What is no problem document has the status to speak for it.
	_ = json.Unmarshal(body, p)
	return p
}

func (r *Runner) send(ctx context.Context, method, url string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return r.http.Do(req)
}

// get returns the status of a call to the monitoring API.
func (r *Runner) get(ctx context.Context, url string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := r.send(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// event is a server-sent event about the key.
type event struct {
	name   string
	State  string `json:"state"`
	Reason string `json:"reason"`
	// Successor is the key that takes this one's place.
	Successor string `json:"successor"`
}

// listen opens the stream of events; it is closed when the stream ends.
func (r *Runner) listen(ctx context.Context, path string) (<-chan event, error) {
	resp, err := r.send(ctx, http.MethodGet, r.cfg.Server+path, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		if err != nil {
			return nil, err
		}
		return nil, refused(resp.StatusCode, body)
	}
	events := make(chan event)
	go func() {
		defer close(events)
		defer resp.Body.Close()
		read(ctx, resp.Body, events)
	}()
	return events, nil
}

// read takes a stream apart, as the HTML standard says, section 9.2.6.
func read(ctx context.Context, stream io.Reader, to chan<- event) {
	var e event
	for lines := bufio.NewScanner(stream); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "" && e.name != "":
			select {
			case to <- e:
			case <-ctx.Done():
				return
			}
			e = event{}
		case name == "event":
			e.name = value
		case name == "data":
			if json.Unmarshal([]byte(value), &e) != nil {
				return
			}
		}
	}
}
