package pgtest

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy is a TCP proxy in front of a database, for tests of what a client does
// when the network or the server goes away and comes back.
type Proxy struct {
	dsn      url.URL
	target   string
	listener net.Listener

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]struct{}
	done  sync.WaitGroup
}

// NewProxy listens on a free loopback port and forwards to the server that dsn, a
// DSN of the URL form over TCP such as [Database] and [Server.DSN] return, points
// at. It closes at the test's end.
func NewProxy(t testing.TB, dsn string) *Proxy {
	t.Helper()
	address, err := url.Parse(dsn)
	if err != nil || address.Host == "" {
		t.Fatal("pgtest: a proxy needs a DSN of the form postgres://user@host:port/database")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{dsn: *address, target: address.Host, listener: listener, conns: map[net.Conn]struct{}{}}
	p.dsn.Host = listener.Addr().String()
	p.done.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// DSN returns the proxied database's address through the proxy.
func (p *Proxy) DSN() string { return p.dsn.String() }

// Cut resets every connection that is open now. New ones are served.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

// Down resets every connection, and each new one before a byte has passed, until [Proxy.Up].
// The port stays taken all the while, so that no other process can get it.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = true
	p.cut()
}

// Up serves new connections again.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
}

func (p *Proxy) cut() {
	for conn := range p.conns {
		reset(conn)
	}
	clear(p.conns)
}

func (p *Proxy) close() {
	p.listener.Close()
	p.Down()
	p.done.Wait()
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.done.Go(func() { p.serve(conn) })
		}
	}
}

func (p *Proxy) serve(client net.Conn) {
	if !p.track(client) {
		return
	}
	defer p.release(client)
	server, err := net.Dial("tcp", p.target)
	if err != nil || !p.track(server) {
		return
	}
	defer p.release(server)
	var both sync.WaitGroup
	both.Go(func() { forward(server, client) })
	both.Go(func() { forward(client, server) })
	both.Wait()
}

// track remembers an open connection, or resets it when the proxy is down.
func (p *Proxy) track(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		reset(conn)
		return false
	}
	p.conns[conn] = struct{}{}
	return true
}

func (p *Proxy) release(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	conn.Close()
}

// forward copies until either side ends, and then ends both: the protocol has no
// use for half a connection.
func forward(to, from net.Conn) {
	io.Copy(to, from)
	to.Close()
	from.Close()
}

// reset closes with a TCP reset, as a dead server's kernel or a firewall does: the
// peer sees an error and not an orderly end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}
