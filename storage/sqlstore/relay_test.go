package sqlstore

import (
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
)

// relay stands between the store and the server and counts round trips as they
// are on the wire: how often the client speaks after the server did.
type relay struct {
	dsn   string
	turns atomic.Int64
}

func newRelay(t *testing.T, dsn string) *relay {
	t.Helper()
	address, err := url.Parse(dsn)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	target := address.Host
	address.Host = listener.Addr().String()
	r := &relay{dsn: address.String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(client, target)
		}
	}()
	return r
}

func (r *relay) serve(client net.Conn, target string) {
	defer client.Close()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	var heard atomic.Bool
	heard.Store(true)
	go func() {
		defer client.Close()
		pass(client, server, func() { heard.Store(true) })
	}()
	pass(server, client, func() {
		if heard.Swap(false) {
			r.turns.Add(1)
		}
	})
}

// pass copies, and calls note before each piece goes on.
func pass(to io.Writer, from io.Reader, note func()) {
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			note()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
