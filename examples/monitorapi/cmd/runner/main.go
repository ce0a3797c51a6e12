package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/watchgate/watchgate/examples/monitorapi/runner"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp): // it was asked for, and is printed
	case errors.Is(err, runner.ErrDead):
		os.Exit(3) // it has said why
	case err != nil:
		fmt.Fprintln(os.Stderr, "runner:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("runner", flag.ContinueOnError)
	server := flags.String("server", cmp.Or(os.Getenv("WATCHGATE_SERVER"), "http://127.0.0.1:8080"), "the authorization server; the environment's WATCHGATE_SERVER when absent")
	api := flags.String("api", cmp.Or(os.Getenv("MONITORAPI"), "http://127.0.0.1:8082"), "the monitoring API; the environment's MONITORAPI when absent")
	name := flags.String("name", "check runner", "what the execution is called")
	every := flags.Duration("every", 2*time.Second, "time between two checks")
	file := flags.String("key-file", "", "file with the API key, which gets the key's successors, too (default: the environment's WATCHGATE_API_KEY)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	key, save, err := keyOf(*file)
	if err != nil {
		return err
	}
	return runner.New(runner.Config{
		Server: *server, API: *api, Key: key, Name: *name, Every: *every, Out: os.Stdout, Save: save,
	}).Run(ctx)
}

// keyOf reads the key. There is no flag for it: flags can be read by everybody on the
// machine.
func keyOf(file string) (key string, save func(string) error, err error) {
	if file == "" {
		if key = os.Getenv("WATCHGATE_API_KEY"); key == "" {
			return "", nil, errors.New("set WATCHGATE_API_KEY, or name a --key-file")
		}
		return key, nil, nil
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return "", nil, fmt.Errorf("read the key: %w", err)
	}
	return strings.TrimSpace(string(body)), func(next string) error {
		if err := os.WriteFile(file+".new", []byte(next+"\n"), 0o600); err != nil {
			return err
		}
		return os.Rename(file+".new", file)
	}, nil
}
