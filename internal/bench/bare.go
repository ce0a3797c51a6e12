package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// bareFlag makes this program the baseline of the introspection figure: a
// net/http handler that parses the same form and writes the same bytes.
const bareFlag = "-bare"

// bareAnswer travels to the baseline's process by this variable.
const bareAnswer = "WATCHGATE_BENCH_ANSWER"

func serveBare(addr string) {
	answer := []byte(os.Getenv(bareAnswer))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/introspect", func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.PostForm.Get("token") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(answer)
	})
	srv := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	if err := srv.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bareServer is the baseline in a process of its own.
type bareServer struct {
	url string
	cmd *exec.Cmd
}

// startBare starts the baseline, whose collector works as hard as the server's
// (gogc), and waits until it listens.
func startBare(ctx context.Context, answer string, gogc float64) (*bareServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bareServer{url: "http://" + addr, cmd: exec.CommandContext(ctx, self, bareFlag, addr)}
	b.cmd.Env = append(os.Environ(), bareAnswer+"="+answer, fmt.Sprintf("GOGC=%.0f", gogc))
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	if err := awaitPort(ctx, addr); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func (b *bareServer) pid() int { return b.cmd.Process.Pid }

func (b *bareServer) stop() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

// awaitPort waits until somebody listens.
func awaitPort(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody listens on %s: %w", addr, err)
		case <-tick.C:
		}
	}
}
