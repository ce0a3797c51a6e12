package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	netmail "net/mail"
	"net/netip"
	"strings"
	"time"

	"github.com/watchgate/watchgate/idp/mfa"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// How the connection to the mail server is protected.
const (
	mailStartTLS = "starttls" // RFC 3207, required
	mailImplicit = "implicit" // RFC 8314, port 465
	mailPlain    = "none"     // to this machine only
)

// mailConfig is the server that takes our e-mails.
type mailConfig struct {
	// Server is host:port; "" sends nothing.
	Server string `yaml:"server"`
	// TLS is starttls (the default), implicit or none.
	TLS string `yaml:"tls"`
	// From is the sender, as "Watchgate <no-reply@auth.example.com>".
	From string `yaml:"from"`
	// User and PasswordFile are for a server that wants them;
	// WATCHGATE_SMTP_PASSWORD says the latter, too.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`

	password string
}

func (c *Config) loadMail(wrong *problems, env func(string) string) {
	body, ok := secretFrom(wrong, env, "mail.password_file", c.Mail.PasswordFile, "WATCHGATE_SMTP_PASSWORD")
	if ok {
		c.Mail.password = strings.TrimSpace(string(body))
	}
}

// checkMail notes what does not fit about e-mail.
func (c *Config) checkMail(wrong *problems) {
	m := c.Mail
	if len(c.Support) > 200 {
		wrong.add("support: is %d bytes long: say it in 200", len(c.Support))
	}
	if m.Server == "" {
		return
	}
	host, _, err := net.SplitHostPort(m.Server)
	if err != nil || host == "" {
		wrong.add("mail.server: %q is no address: write host:port, as smtp.example.com:587", m.Server)
	}
	if _, err := netmail.ParseAddress(m.From); err != nil {
		wrong.add("mail.from: %q is no sender: write it as Watchgate <no-reply@auth.example.com>", m.From)
	}
	switch m.TLS {
	case mailStartTLS, mailImplicit:
	case mailPlain:
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			wrong.add("mail.tls: none is for a mail server on this machine; use starttls or implicit")
		}
	default:
		wrong.add("mail.tls: %q must be starttls, implicit or none", m.TLS)
	}
	if m.TLS == mailPlain && m.User != "" {
		wrong.add("mail.tls: none would show the password of mail.user to whoever listens; use starttls or implicit")
	}
	if (m.User == "") != (m.password == "") {
		wrong.add("mail: user and password_file (or WATCHGATE_SMTP_PASSWORD) go together")
	}
}

// openMail opens the queue of mails. Where nothing sends them there is none.
func (d *deployment) openMail() error {
	sender, err := d.sender()
	if err != nil || sender == nil {
		return err
	}
	d.mail = mail.New(mail.Config{
		Store: d.store, Sealer: d.sealer, Sender: sender, Now: now, Log: d.log, Registerer: d.metrics, Issuer: d.cfg.Issuer, Support: d.cfg.Support,
	})
	return nil
}

// sender is the configured server, or the mailbox of a demonstration.
func (d *deployment) sender() (mail.Sender, error) {
	if d.cfg.mailbox != nil {
		return d.cfg.mailbox, nil
	}
	m := d.cfg.Mail
	if m.Server == "" {
		return nil, nil
	}
	roots, err := d.cfg.roots()
	if err != nil {
		return nil, err
	}
	s, err := mail.NewSMTP(mail.SMTPConfig{Address: m.Server, TLS: m.TLS, User: m.User, Password: m.password, From: m.From, Roots: roots, Timeout: d.cfg.Outbound.Timeout})
	if err != nil {
		return nil, fmt.Errorf("mail: %w", err)
	}
	return s, nil
}

// post is the queue for who only sends; nil where there is none.
func (d *deployment) post() mail.Post {
	if d.mail == nil {
		return nil
	}
	return letterbox{d.mail, d.log}
}

// notifier is post for who only queues; nil where there is none.
func (d *deployment) notifier() mfa.Notifier {
	if d.mail == nil {
		return nil
	}
	return letterbox{d.mail, d.log}
}

// letterbox is a queue for rooms that tell people of something that is done: an address
// that is none, as a provider may send, undoes nothing.
type letterbox struct {
	*mail.Box
	log *slog.Logger
}

// Queue is that of the box; nobody is told who has no address.
func (l letterbox) Queue(ctx context.Context, t storage.TenantID, m mail.Message) error {
	err := l.Box.Queue(ctx, t, m)
	if errors.Is(err, mail.ErrAddress) {
		l.log.WarnContext(ctx, "nobody was told: the address is none", "kind", string(m.Kind), "tenant", string(t))
		return nil
	}
	return err
}

// mailsEvery is how often a node looks for mails of other nodes, and those to be tried
// again.
const mailsEvery = 5 * time.Second

// sendMails sends what is queued, until ctx is done.
func (d *deployment) sendMails(ctx context.Context) error {
	if d.mail == nil {
		return nil
	}
	d.tend(ctx, mailsEvery, d.mail.Due(), "mails", d.mail.Tick)
	return nil
}
