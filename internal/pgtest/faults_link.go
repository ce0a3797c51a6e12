package pgtest

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// link is one connection through a FaultProxy.
type link struct {
	kind  string
	ends  [2]net.Conn // by the Direction that leads there
	pipes [2]pipe
	once  sync.Once
	ended chan struct{}
}

// pipe is what is under way in one direction.
type pipe struct {
	chunks  chan chunk
	waiting atomic.Int64
}

// chunk is what one read returned; a nil one is the end.
type chunk struct {
	body []byte
	came time.Time
}

const (
	// chunkSize is the most that is read at once.
	chunkSize = 16 << 10
	// underWay bounds what waits in one direction, in chunks; a sender then waits
	// as it does when a peer's window is full.
	underWay = 1024
)

func (p *FaultProxy) accept() {
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

// close ends all connections.
func (p *FaultProxy) close() {
	p.listener.Close()
	close(p.ended)
	p.Cut(Any)
	p.done.Wait()
}

// serve reads the startup message, which says the kind, before it dials: what is
// stalled must not reach the server.
func (p *FaultProxy) serve(client net.Conn) {
	stop := make(chan struct{})
	go func() { // a client that says nothing must not hold the proxy up
		select {
		case <-p.ended:
			client.Close()
		case <-stop:
		}
	}()
	first, err := readStartup(client)
	close(stop)
	if err != nil {
		client.Close()
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	l := &link{kind: applicationName(first), ends: [2]net.Conn{ToServer: server, ToClient: client}, ended: make(chan struct{})}
	for i := range l.pipes {
		l.pipes[i].chunks = make(chan chunk, underWay)
	}
	if !p.track(l) {
		l.reset()
		return
	}
	l.pipes[ToServer].put(first)
	var all sync.WaitGroup
	for _, to := range []Direction{ToServer, ToClient} {
		all.Go(func() { l.take(to) })
		all.Go(func() { p.give(l, to) })
	}
	all.Wait()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

func (p *FaultProxy) track(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.ended:
		return false
	default:
		p.links[l] = struct{}{}
		return true
	}
}

func (q *pipe) put(body []byte) {
	q.waiting.Add(int64(len(body)))
	q.chunks <- chunk{body, time.Now()}
}

// take reads what comes from the other end, until it is over.
func (l *link) take(to Direction) {
	from, q := l.ends[1-to], &l.pipes[to]
	for {
		body := make([]byte, chunkSize)
		n, err := from.Read(body)
		if n > 0 {
			q.waiting.Add(int64(n))
			select {
			case q.chunks <- chunk{body[:n], time.Now()}:
			case <-l.ended:
				return
			}
		}
		if err != nil {
			select {
			case q.chunks <- chunk{nil, time.Now()}:
			case <-l.ended:
			}
			return
		}
	}
}

// give passes on what may pass. The end of one side is the end of both, once it
// gets through: the protocol has no use for half a connection.
func (p *FaultProxy) give(l *link, to Direction) {
	for {
		var c chunk
		select {
		case c = <-l.pipes[to].chunks:
		case <-l.ended:
			return
		}
		if !p.pass(way{l.kind, to}, c.came, l) {
			return
		}
		if c.body == nil {
			l.close()
			return
		}
		// A side that does not take it has ended; its end is on its way.
		_, _ = l.ends[to].Write(c.body)
		l.pipes[to].waiting.Add(-int64(len(c.body)))
	}
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.ended)
		for _, end := range l.ends {
			end.Close()
		}
	})
}

func (l *link) reset() {
	for _, end := range l.ends {
		if tcp, ok := end.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	l.close()
}

// The longest startup message that a server takes (MAX_STARTUP_PACKET_LENGTH).
const maxStartup = 10000

var errStartup = errors.New("pgtest: no startup message")

// readStartup reads the first message of a connection: its length, which counts
// itself, and the rest (protocol 54.7).
func readStartup(conn io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 8 || n > maxStartup {
		return nil, errStartup
	}
	message := append(make([]byte, 0, n), size[:]...)[:n]
	_, err := io.ReadFull(conn, message[4:])
	return message, err
}

// applicationName is what a startup message says of it; "" for one that says
// nothing, such as a request to cancel.
func applicationName(startup []byte) string {
	const major3 = 3
	if binary.BigEndian.Uint16(startup[4:]) != major3 {
		return ""
	}
	words := strings.Split(string(startup[8:]), "\x00")
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == "application_name" {
			return words[i+1]
		}
	}
	return ""
}
