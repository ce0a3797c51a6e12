package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How hard and how long the servers are loaded.
const (
	workers    = 16
	loadFor    = 6 * time.Second
	warmUpFor  = 2 * time.Second
	loadSecond = 6
)

// wire is one keep-alive connection that writes prepared requests and reads
// answers. It costs the machine less than net/http's client does, so that the
// figures are the server's.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(base string) (*wire, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp", u.Host, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, in: bufio.NewReader(conn)}, nil
}

// do sends a request and returns the status and the body.
func (w *wire) do(request []byte) (int, []byte, error) {
	if err := w.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, nil, err
	}
	if _, err := w.conn.Write(request); err != nil {
		return 0, nil, err
	}
	return w.read()
}

// read reads an answer that says its length, which is all that the servers send
// here.
func (w *wire) read() (status int, body []byte, err error) {
	length := -1
	for first := true; ; first = false {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		switch value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); {
		case first && len(line) > 12:
			status, err = strconv.Atoi(string(line[9:12]))
		case found:
			length, err = strconv.Atoi(string(value))
		case len(line) == 0 && length < 0:
			err = errors.New("an answer without a length")
		case len(line) == 0:
			body = make([]byte, length)
			_, err = io.ReadFull(w.in, body)
			return status, body, err
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// post renders a form request with Basic credentials ("" for none).
func post(base, path string, c credentials, form url.Values) []byte {
	body := form.Encode()
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n",
		path, strings.TrimPrefix(base, "http://"), len(body))
	if c.ID != "" {
		basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.ID) + ":" + url.QueryEscape(c.Secret)))
		fmt.Fprintf(&b, "Authorization: Basic %s\r\n", basic)
	}
	fmt.Fprintf(&b, "\r\n%s", body)
	return b.Bytes()
}

// load calls step from workers goroutines, each with a connection of its own,
// for warmUpFor and then loadFor, and returns calls per second in the latter.
func load(ctx context.Context, base string, step func(worker int, w *wire) error) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, warmUpFor+loadFor)
	defer cancel()
	var done atomic.Int64
	var wg sync.WaitGroup
	failed := make(chan error, workers)
	for i := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			w, err := dial(base)
			for err == nil && ctx.Err() == nil {
				if err = step(i, w); err == nil {
					done.Add(1)
				}
			}
			if err != nil {
				failed <- err
			}
		}()
	}
	warm := time.NewTimer(warmUpFor)
	defer warm.Stop()
	select {
	case <-warm.C:
	case err := <-failed:
		cancel()
		return 0, err
	}
	before, began := done.Load(), time.Now()
	<-ctx.Done()
	n, took := done.Load()-before, time.Since(began)
	wg.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
	}
	return float64(n) / took.Seconds(), nil
}

// expect fails for an answer that is not 200.
func expect(what string, status int, body []byte, err error) error {
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: status %d: %s", what, status, body)
	}
	return err
}

// location sends a request that is answered by a redirect, and returns where.
func (w *wire) location(request []byte) (*url.URL, error) {
	to, _, err := w.redirected(request)
	return to, err
}

// redirected sends a request that is answered by a redirect, and returns where, and
// the cookies that come with it.
func (w *wire) redirected(request []byte) (*url.URL, []*http.Cookie, error) {
	if err := w.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, nil, err
	}
	if _, err := w.conn.Write(request); err != nil {
		return nil, nil, err
	}
	res, err := http.ReadResponse(w.in, nil)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, nil, err
	}
	if res.StatusCode != http.StatusSeeOther {
		return nil, nil, fmt.Errorf("status %d instead of a redirect: %s", res.StatusCode, body)
	}
	to, err := url.Parse(res.Header.Get("Location"))
	return to, res.Cookies(), err
}
