package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/watchgate/watchgate/internal/process"
)

// section is a part of the run, which -only names.
type section struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

var sections = []section{
	{"start", measureStart},
	{"trips", measureRoundTrips},
	{"machine", measureClientCredentials},
	{"introspection", measureIntrospection},
	{"npm", measureNPM},
	{"revocation", measureRevocation},
	{"growth", measureGrowth},
	{"cached", measureCached},
	{"keys", measureKeys},
	{"inside", measureInside},
	{"flows", measureFlowsPostgres},
	{"flows-sqlite", measureFlowsSQLite},
	{"signin", measureSignIn},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == bareFlag {
		serveBare(os.Args[2])
		return
	}
	only := flag.String("only", "", "the `names` of the sections to run, with commas; bench.json is left alone then. Known: "+names(sections))
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *only)
	stop()
	process.Clean()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures, and prints what it could measure.
func run(ctx context.Context, only string) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	b, err := newBench(ctx)
	if err != nil {
		return err
	}
	defer b.close()
	var failed error
	for _, s := range chosen {
		began := time.Now()
		if err := s.run(ctx, b); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(os.Stderr, "measured %s in %s\n", s.name, time.Since(began).Round(time.Second))
	}
	b.figures.print(os.Stdout)
	if only != "" || failed != nil {
		return failed
	}
	return b.figures.write("bench.json")
}

// choose returns the sections of a list of names, or all.
func choose(only string) ([]section, error) {
	if only == "" {
		return sections, nil
	}
	var chosen []section
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("no section %q; there are %s", name, names(sections))
		}
		chosen = append(chosen, sections[i])
	}
	return chosen, nil
}

func names(all []section) string {
	var list []string
	for _, s := range all {
		list = append(list, s.name)
	}
	return strings.Join(list, ", ")
}
