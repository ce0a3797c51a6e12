package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/watchgate/watchgate/examples/monitorapi"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "monitorapi:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done, and then finishes what it began.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("monitorapi", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8082", "address to listen on")
	issuer := flags.String("issuer", "http://127.0.0.1:8080", "the authorization server")
	introspect := flags.String("introspect-url", "", "its introspection endpoint (default: issuer + /oauth2/introspect)")
	base := flags.String("base-url", "", "origin under which browsers reach this program (default: http:// + listen)")
	id := flags.String("resource-server", "demo-api", "id of this API at the authorization server")
	client := flags.String("client-id", "demo-spa", "id of the page's registration as a public client")
	tenants := flags.String("tenants", "acme,globex", "slugs of the tenants that the page tries")
	if err := flags.Parse(args); err != nil {
		return err
	}
	secret, err := readSecret()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	handler, err := monitorapi.New(monitorapi.Config{
		Issuer: *issuer, IntrospectURL: *introspect, ResourceServerID: *id, Secret: secret, ClientID: *client,
		BaseURL: cmp.Or(*base, "http://"+*listen), Tenants: strings.Split(*tenants, ","), Now: time.Now, Log: log,
	})
	if err != nil {
		return err
	}
	return serve(ctx, log, &http.Server{
		Addr: *listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	})
}

// readSecret reads the API's secret from MONITORAPI_SECRET_FILE or
// MONITORAPI_SECRET. There is no flag for it: flags can be read by everybody on
// the machine.
func readSecret() (string, error) {
	if name := os.Getenv("MONITORAPI_SECRET_FILE"); name != "" {
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read the secret: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	if s := os.Getenv("MONITORAPI_SECRET"); s != "" {
		return s, nil
	}
	return "", errors.New("set MONITORAPI_SECRET_FILE or MONITORAPI_SECRET to the secret of the resource server")
}

func serve(ctx context.Context, log *slog.Logger, srv *http.Server) error {
	failed := make(chan error, 1)
	go func() { failed <- srv.ListenAndServe() }()
	log.Info("listening", slog.String("address", srv.Addr))
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return srv.Shutdown(end)
}
