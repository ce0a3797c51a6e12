package mail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

const (
	smtpUser     = "watchgate"
	smtpPassword = "correct horse battery staple"
)

// mailServer is a real SMTP server that a test watches.
type mailServer struct {
	address string
	roots   *x509.CertPool

	mu     sync.Mutex
	got    []received
	heard  []string // MAIL, RCPT, DATA, AUTH in their order
	refuse map[string]*smtp.SMTPError
}

// received is a mail that was taken.
type received struct {
	from, to, data string
	user           string // who signed in
	tls            bool
}

// serverKind is how a server listens.
type serverKind struct {
	host      string // whose certificate it has; "": 127.0.0.1
	plain     bool   // no TLS at all
	implicit  bool
	insecure  bool // asks for passwords without TLS
	needsAuth bool
	wrap      func(net.Conn) net.Conn
}

func newMailServer(t *testing.T, k serverKind) *mailServer {
	t.Helper()
	s := &mailServer{refuse: map[string]*smtp.SMTPError{}}
	certificate, roots := certificateFor(t, k.host)
	s.roots = roots
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, conn: c, kind: k}, nil
	}))
	server.Domain, server.AllowInsecureAuth, server.ErrorLog = "mail.test", k.insecure, log.New(io.Discard, "", 0)
	if !k.plain {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	if k.wrap != nil {
		l = wrapped{l, k.wrap}
	}
	if k.implicit {
		l = tls.NewListener(l, server.TLSConfig)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }()
	t.Cleanup(func() { _, _ = l.Close(), server.Close(); <-ended }) // Close does not know a listener that is not served yet
	return s
}

type wrapped struct {
	net.Listener
	wrap func(net.Conn) net.Conn
}

func (w wrapped) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return w.wrap(c), nil
}

func (s *mailServer) mails() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.got...)
}

func (s *mailServer) commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.heard...)
}

// on makes the server answer a command with an error; nil: no more.
func (s *mailServer) on(command string, e *smtp.SMTPError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[command] = e
}

// hear notes a command and says what to answer.
func (s *mailServer) hear(command string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, command)
	if e := s.refuse[command]; e != nil {
		return e
	}
	return nil
}

type session struct {
	server *mailServer
	conn   *smtp.Conn
	kind   serverKind
	mail   received
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if err := s.server.hear("AUTH"); err != nil {
			return err
		}
		if user != smtpUser || password != smtpPassword {
			return smtp.ErrAuthFailed
		}
		s.mail.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.from = from
	if s.kind.needsAuth && s.mail.user == "" {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	return s.server.hear("MAIL")
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = to
	return s.server.hear("RCPT")
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := s.server.hear("DATA"); err != nil {
		return err
	}
	s.mail.data = string(body)
	_, s.mail.tls = s.conn.TLSConnectionState()
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.got = append(s.server.got, s.mail)
	return nil
}

func (s *session) Reset() {}

func (s *session) Logout() error { return nil }

// certificateFor makes a certificate of a host, by an authority that nobody else trusts.
func certificateFor(t *testing.T, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if host == "" {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	} else {
		c.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// rawServer answers every connection by a function.
func rawServer(t *testing.T, answer func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				conns.Go(func() { defer c.Close(); answer(c) })
			}
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return l.Addr().String()
}
