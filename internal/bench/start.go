package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/walk"
)

// measureStart times a node on SQLite from nothing to its first login page, and
// reads its memory idle and after 100,000 tokens.
func measureStart(ctx context.Context, b *bench) error {
	began := time.Now()
	dev, err := process.StartDev(ctx, filepath.Join(b.dir, "dev"), 0)
	if err != nil {
		return err
	}
	p, err := walk.New(nil, nil).Get(ctx, dev.API+"/start")
	if err != nil || !strings.Contains(p.Text(), "Sign in") {
		return fmt.Errorf("no login page: %v", err)
	}
	b.figures.add("dev: start to first login page, database and keys made", float64(time.Since(began).Milliseconds()), "ms", 0, "", "build + 2 s")
	if err := dev.Stop(); err != nil {
		return err
	}
	began = time.Now()
	again, err := process.StartDev(ctx, dev.Dir, dev.Base)
	if err != nil {
		return err
	}
	if _, err := walk.New(nil, nil).Get(ctx, again.API+"/start"); err != nil {
		return err
	}
	b.figures.add("dev: start to first login page, second start", float64(time.Since(began).Milliseconds()), "ms", 0, "", "")
	if err := again.Stop(); err != nil {
		return err
	}
	return b.measureMemory(ctx)
}

// measureMemory reads the resident memory of the server on PostgreSQL.
func (b *bench) measureMemory(ctx context.Context) error {
	idle, err := resident(b.site.node.PID())
	if err != nil {
		return err
	}
	b.figures.add("resident memory, idle", idle, "MiB", 0, "", "")
	count := 100_000
	if big() {
		count = 1_000_000
	}
	if err := b.issueMany(ctx, count); err != nil {
		return err
	}
	loaded, err := resident(b.site.node.PID())
	b.figures.add(fmt.Sprintf("resident memory after %d tokens", count), loaded, "MiB", idle, "idle", "")
	return err
}

// issueMany issues n tokens.
func (b *bench) issueMany(ctx context.Context, n int) error {
	request := b.site.clientCredentials()
	failed := make(chan error, workers)
	for range workers {
		go func() {
			w, err := dial(b.site.node.URL)
			for i := 0; err == nil && ctx.Err() == nil && i < n/workers; i++ {
				status, body, doErr := w.do(request)
				err = expect("token", status, body, doErr)
			}
			failed <- err
		}()
	}
	for range workers {
		if err := <-failed; err != nil {
			return err
		}
	}
	return ctx.Err()
}

// resident reads a process's resident memory in MiB.
func resident(pid int) (float64, error) {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", pid)
}
