package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/watchgate/watchgate/internal/web"
)

type serveCmd struct {
	Config string `required:"" help:"The configuration file." type:"existingfile" env:"WATCHGATE_CONFIG" placeholder:"FILE"`
}

// Run serves until the program is told to stop, and then finishes what it
// began.
func (c *serveCmd) Run(p *program) error {
	cfg, err := readServerConfig(c.Config, p.env)
	if err != nil {
		return err
	}
	out := web.NewAsyncWriter(p.errOut, logBuffer)
	defer out.Close()
	log := newLog(out, cfg.Log.Level)
	d, err := openDeployment(p.ctx, cfg, log)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.ready(p.ctx); err != nil {
		return err
	}
	h, err := build(p.ctx, d)
	if err != nil {
		return err
	}
	public, err := d.listeningPublic(h.public)
	if err != nil {
		return err
	}
	operator, err := d.listening(cfg.OperatorListen, h.operator)
	if err != nil {
		return err
	}
	log.Info("serving", "issuer", cfg.Issuer, "listen", public.Listener.Addr().String(),
		"operator", operator.Listener.Addr().String(), "version", version)
	return d.run(p.ctx, public, operator)
}

// logBuffer is how many bytes of log wait to be written, at most.
const logBuffer = 1 << 20

// grace is how long requests that have begun may take after the program was
// told to stop.
const grace = 20 * time.Second

// run serves and does the upkeep until ctx is done; then every server finishes
// the requests it has.
func (d *deployment) run(ctx context.Context, servers ...web.Listening) error {
	g, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, func() { close(d.stopping) })
	g.Go(func() error { return d.asked.Run(ctx) })
	g.Go(func() error { return d.tendKeys(ctx) })
	g.Go(func() error { return d.sendMails(ctx) })
	g.Go(func() error { return d.tellApps(ctx) })
	g.Go(func() error {
		defer d.log.Info("stopped serving")
		defer d.people.Wait()
		return web.Run(ctx, grace, servers...)
	})
	g.Go(func() error { return d.upkeep(ctx) })
	if d.node != nil {
		g.Go(func() error { return d.node.Run(ctx) })
	}
	if dir := d.cfg.Database.DataDir; dir != "" {
		g.Go(func() error { return serveControl(ctx, dir, d.operators(), d.log, func() {}) })
	}
	return g.Wait()
}

// listening opens a port for a handler.
func (d *deployment) listening(addr string, h http.Handler) (web.Listening, error) {
	l, err := listen(addr)
	return web.Listening{Server: web.NewServer(h, d.log), Listener: l}, err
}

// listeningPublic is listening on the public port, with TLS if the
// configuration has a certificate.
func (d *deployment) listeningPublic(h http.Handler) (web.Listening, error) {
	out, err := d.listening(d.cfg.Listen, h)
	if err != nil || d.cfg.TLS.CertificateFile == "" {
		return out, err
	}
	cert, err := tls.LoadX509KeyPair(d.cfg.TLS.CertificateFile, d.cfg.TLS.KeyFile)
	if err != nil {
		return out, fmt.Errorf("tls: %w", errors.Join(err, out.Listener.Close()))
	}
	out.Server.TLSConfig = tlsConfig(cert)
	return out, nil
}

// tlsConfig offers TLS 1.3, and 1.2 with forward-secret AEAD suites only (FAPI
// 2.0 section 5.2.1).
func tlsConfig(cert tls.Certificate) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
	}
}
