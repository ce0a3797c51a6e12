package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/directory"
)

// controlSocket is where a server that holds a data folder takes operators'
// commands. SQLite has one writer and one cache: a second process never opens a
// database that a server holds.
const controlSocket = "control.sock"

// maxCommand bounds a command and its answer, in bytes.
const maxCommand = 1 << 20

// answer is what travels back over the socket.
type answer struct {
	Report report   `json:"report"`
	Wrong  []string `json:"wrong,omitempty"`
	Failed string   `json:"failed,omitempty"`
}

// socketPath is the path to give to the system, which takes at most 107 bytes.
// A longer one goes through the folder's descriptor, which the caller closes.
func socketPath(dir string) (path string, done func(), err error) {
	path = filepath.Join(dir, controlSocket)
	if len(path) <= 100 {
		return path, func() {}, nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), controlSocket), func() { f.Close() }, nil
}

// serveControl takes commands until ctx is done. Whoever may write to the data
// folder may command the server; the socket is for its owner alone. ready is
// called when it takes them.
func serveControl(ctx context.Context, dir string, ops operators, log *slog.Logger, ready func()) error {
	path, done, err := socketPath(dir)
	if err != nil {
		return err
	}
	defer done()
	// The folder's lock is ours, so a socket that is there is a dead server's.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("cannot take commands in %s: %w", dir, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	srv := &http.Server{Handler: controlHandler(ops, log), ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		srv.Close()
	}()
	ready()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// controlHandler runs the command that a request names.
func controlHandler(ops operators, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("command")
		build, ok := operations[name]
		if !ok {
			http.Error(w, "unknown command", http.StatusNotFound)
			return
		}
		op := build()
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCommand)).Decode(op); err != nil {
			http.Error(w, "malformed command", http.StatusBadRequest)
			return
		}
		ctx := audit.WithActor(r.Context(), "operator", r.URL.Query().Get("operator"))
		report, err := op.do(ctx, ops)
		log.InfoContext(ctx, "operator command", "command", name, "failed", err != nil)
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(answerOf(report, err)); err != nil {
			log.ErrorContext(ctx, "operator command: answer not sent", "error", err)
		}
	})
}

func answerOf(r report, err error) answer {
	var p *directory.Problem
	switch {
	case err == nil:
		return answer{Report: r}
	case errors.As(err, &p):
		return answer{Wrong: p.Wrong}
	}
	return answer{Failed: err.Error()}
}

// askServer gives a command to the server that holds dir. ran is false when no
// server does.
func askServer(ctx context.Context, dir, name string, op operation) (r report, ran bool, err error) {
	path, done, err := socketPath(dir)
	if errors.Is(err, os.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	defer done()
	body, err := json.Marshal(op)
	if err != nil {
		return r, false, err
	}
	res, err := socketClient(path).Do(commandRequest(ctx, name, body))
	if errors.Is(err, os.ErrPermission) {
		return r, true, fmt.Errorf("this user may not command the server that holds %s: run the command as the server's user", dir)
	}
	var refused *net.OpError
	if errors.As(err, &refused) && refused.Op == "dial" {
		return r, false, nil
	}
	if err != nil {
		return r, true, fmt.Errorf("the server in %s did not answer: %w", dir, err)
	}
	defer res.Body.Close()
	r, err = readAnswer(res)
	return r, true, err
}

func socketClient(path string) *http.Client {
	var d net.Dialer
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		},
	}}
}

func commandRequest(ctx context.Context, name string, body []byte) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control/", bytes.NewReader(body))
	if err != nil {
		panic(err) // a constant URL
	}
	q := req.URL.Query()
	q.Set("command", name)
	q.Set("operator", operatorName())
	req.URL.RawQuery = q.Encode()
	return req
}

func readAnswer(res *http.Response) (report, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxCommand))
	if err != nil {
		return report{}, err
	}
	if res.StatusCode != http.StatusOK {
		return report{}, fmt.Errorf("the server does not know this command: is it of another version?")
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return report{}, err
	}
	switch {
	case len(a.Wrong) > 0:
		return report{}, &directory.Problem{Wrong: a.Wrong}
	case a.Failed != "":
		return report{}, errors.New(a.Failed)
	}
	return a.Report, nil
}
