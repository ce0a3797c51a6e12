package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// How the connection to a mail server is protected.
const (
	StartTLS    = "starttls" // RFC 3207: without it nothing is sent
	ImplicitTLS = "implicit" // RFC 8314, usually port 465
	NoTLS       = "none"     // for a server on this machine; no password is sent
)

// standardTimeout is for how long a server has for one mail.
const standardTimeout = 30 * time.Second

// SMTPConfig is a mail server (RFC 5321).
type SMTPConfig struct {
	Address string // host:port
	TLS     string // StartTLS (the default), ImplicitTLS or NoTLS
	// User and Password are sent to the server whose certificate is good for the host
	// in Address, and to nobody else. User "": the server wants none.
	User, Password string
	From           string // as in "Watchgate <no-reply@auth.example.com>"
	// Roots are whom the server's certificate may be from; nil: the system's.
	Roots *x509.CertPool
	// Timeout is for one mail, from dialling on; 0: 30 s.
	Timeout time.Duration
}

// String keeps the password out of whatever prints an SMTPConfig.
func (c SMTPConfig) String() string { return "mail server " + c.Address }

// GoString is String for %#v.
func (c SMTPConfig) GoString() string { return c.String() }

// SMTP sends mails through a mail server, each by a connection of its own. It is safe
// for concurrent use.
type SMTP struct {
	cfg    SMTPConfig
	from   *netmail.Address
	domain string // of from
	host   string
	port   int
}

var _ Sender = (*SMTP)(nil)

// NewSMTP returns a sender, or what is wrong with the configuration. It connects to
// nobody.
func NewSMTP(cfg SMTPConfig) (*SMTP, error) {
	if cfg.TLS == "" {
		cfg.TLS = StartTLS
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = standardTimeout
	}
	s := &SMTP{cfg: cfg}
	host, port, err := net.SplitHostPort(cfg.Address)
	if err != nil || host == "" {
		return nil, fmt.Errorf("mail: the server %q is no host:port", cfg.Address)
	}
	s.host = host
	if s.port, err = strconv.Atoi(port); err != nil || s.port < 1 || s.port > 65535 {
		return nil, fmt.Errorf("mail: the server %q has no port", cfg.Address)
	}
	if s.from, err = netmail.ParseAddress(cfg.From); err != nil || checkAddress(s.from.Address) != nil {
		return nil, fmt.Errorf("mail: the sender %q is no address", cfg.From)
	}
	_, s.domain, _ = cutLast(dialled(s.from.Address), "@")
	switch cfg.TLS {
	case StartTLS, ImplicitTLS:
	case NoTLS:
		if cfg.User != "" || cfg.Password != "" {
			return nil, errors.New("mail: without TLS no password is sent: use starttls or implicit, or leave the user out")
		}
	default:
		return nil, fmt.Errorf("mail: TLS is starttls, implicit or none, not %q", cfg.TLS)
	}
	if (cfg.User == "") != (cfg.Password == "") {
		return nil, errors.New("mail: the user and the password go together")
	}
	return s, nil
}

// Send implements Sender. A server's permanent refusal of the sender, the address or
// the text is ErrRefused; one of ourselves (the greeting, TLS, the password) is not:
// it is there until somebody corrects the configuration.
func (s *SMTP) Send(ctx context.Context, e Envelope) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel() // ends the line, too
	m, err := s.message(e)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	client, err := gomail.NewClient(s.host, s.options(ctx)...)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	err = client.DialAndSendWithContext(ctx, m)
	if err == nil || m.IsDelivered() { // whatever went wrong after that
		return nil
	}
	return explain(ctx, err)
}

func (s *SMTP) options(ctx context.Context) []gomail.Option {
	policy := gomail.NoTLS
	if s.cfg.TLS == StartTLS {
		policy = gomail.TLSMandatory
	}
	out := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTLSConfig(s.tls()), gomail.WithTLSPolicy(policy),
		// The name of this machine is nobody's business, and often none.
		gomail.WithHELO(s.domain), gomail.WithDialContextFunc(s.dial(ctx)),
		gomail.WithTimeout(2 * s.cfg.Timeout), // ours ends first
	}
	if s.cfg.User != "" {
		auth := gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin)
		out = append(out, gomail.WithUsername(s.cfg.User), gomail.WithPassword(s.cfg.Password), auth)
	}
	return out
}

func (s *SMTP) tls() *tls.Config {
	return &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12, RootCAs: s.cfg.Roots}
}

// message is the mail as it goes over the wire. A line break in a header would begin
// another one.
func (s *SMTP) message(e Envelope) (*gomail.Msg, error) {
	if err := checkAddress(e.To); err != nil {
		return nil, err
	}
	if strings.ContainsFunc(e.Subject, unicode.IsControl) {
		return nil, errors.New("the subject has control characters")
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(s.from)
	m.ToMailAddress(&netmail.Address{Address: dialled(e.To)})
	m.Subject(e.Subject)
	m.SetDateWithValue(e.Date)
	m.SetMessageIDWithValue(string(e.ID) + "@" + s.domain)
	m.SetGenHeader("Auto-Submitted", "auto-generated")           // RFC 3834 section 5
	m.SetGenHeader("X-Auto-Response-Suppress", "OOF, AutoReply") // what Exchange looks at
	m.SetBodyString(gomail.TypeTextPlain, e.Text)
	m.AddAlternativeString(gomail.TypeTextHTML, e.HTML)
	return m, nil
}
