package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/watchgate/watchgate/internal/process"
)

// section is a part of the run.
type section struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var sections = []section{
	{"start and memory", measureStart},
	{"round trips", measureRoundTrips},
	{"client credentials", measureClientCredentials},
	{"introspection", measureIntrospection},
	{"code flows and refreshes on PostgreSQL", measureFlowsPostgres},
	{"code flows and refreshes on SQLite", measureFlowsSQLite},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == bareFlag {
		serveBare(os.Args[2])
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	process.Clean()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b, err := newBench(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	for _, s := range sections {
		began := time.Now()
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(os.Stderr, "measured %s in %s\n", s.name, time.Since(began).Round(time.Second))
	}
	b.figures.print(os.Stdout)
	return b.figures.write("bench.json")
}
