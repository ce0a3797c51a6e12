package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	gomail "github.com/wneessen/go-mail"
)

// maxHeard is how many bytes a mail server may say about one mail.
const maxHeard = 1 << 20

// errChatty: a mail server says more than any does.
var errChatty = errors.New("mail: the server says too much")

// line is a connection that ends with its context, and that nobody can fill our memory
// through.
type line struct {
	net.Conn
	left int
}

// Read reads at most what is left.
func (l *line) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errChatty
	}
	n, err := l.Conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// dial connects for one mail. The library's own context ends when it has said hello, and
// it leaves open what went wrong: a line ends with the mail's context.
func (s *SMTP) dial(mail context.Context) gomail.DialContextFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		l := &line{Conn: conn, left: maxHeard}
		context.AfterFunc(mail, func() { _ = l.Close() })
		if s.cfg.TLS != ImplicitTLS {
			return l, nil
		}
		inside := tls.Client(l, s.tls())
		if err := inside.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return inside, nil
	}
}
