package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// goSlack is what net/http reads beyond MaxHeaderBytes.
const goSlack = 4 << 10

// NewServer returns a server with the limits that a public listener needs:
// header 16 KB (then 431), 5 s for the header, 20 s for a request, 30 s for an
// answer, 2 min of idleness. The caller sets TLSConfig when it has a
// certificate. net/http's own complaints go to log.
func NewServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeader - goSlack,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// Listening is a server with its open listener.
type Listening struct {
	Server   *http.Server // serves TLS when its TLSConfig has certificates
	Listener net.Listener
}

// Run serves until ctx is done or a server fails. Then it stops accepting, and
// shuts the servers down in the order given, so that the operator's port comes
// last and answers meanwhile: requests that have begun are finished, for at most
// grace altogether, and cut after that. It returns what went wrong, nil for an
// orderly end. The listeners are closed in every case.
func Run(ctx context.Context, grace time.Duration, servers ...Listening) error {
	ended := make(chan error, len(servers))
	for _, s := range servers {
		go func() { ended <- s.serve() }()
	}
	var failure error
	left := len(servers)
	select {
	case <-ctx.Done():
	case failure = <-ended:
		left--
	}
	failure = errors.Join(failure, shutdown(grace, servers))
	for range left {
		failure = errors.Join(failure, <-ended)
	}
	return failure
}

func (s Listening) serve() error {
	serve := s.Server.Serve
	if c := s.Server.TLSConfig; c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil) {
		serve = func(l net.Listener) error { return s.Server.ServeTLS(l, "", "") }
	}
	if err := serve(s.Listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func shutdown(grace time.Duration, servers []Listening) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	var failure error
	for _, s := range servers {
		if err := s.Server.Shutdown(ctx); err != nil {
			failure = errors.Join(failure, err, s.Server.Close())
		}
	}
	return failure
}
