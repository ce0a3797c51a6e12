package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// driver keeps a few connections busy with prepared requests from one thread: on
// each, an answer is followed at once by the next request. It shares the machine
// with the server that it measures, and takes half as much time for a request as a
// bare net/http handler does.
type driver struct {
	to          syscall.SockaddrInet4
	connections int
	requests    [][]byte
	next        int
	want        []byte // what the body of every answer begins with
}

// line is one connection.
type line struct {
	fd   int
	in   []byte // what has come of an answer
	sent time.Time
}

// answerLimit bounds an answer, in bytes.
const answerLimit = 64 << 10

// newDriver returns a driver for the server at base (http://ADDRESS:PORT).
func newDriver(base string, connections int, requests [][]byte, want string) (*driver, error) {
	to, err := netip.ParseAddrPort(strings.TrimPrefix(base, "http://"))
	if err != nil {
		return nil, err
	}
	return &driver{
		to:          syscall.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())},
		connections: connections, requests: requests, want: []byte(want),
	}, nil
}

// run connects, sends requests for a while, or at most count of them if that is not
// 0, and waits for the last answers.
func (d *driver) run(ctx context.Context, span time.Duration, count int) (lap, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := running{driver: d, left: -1}
	if count > 0 {
		r.left = count
	}
	defer r.close()
	if err := r.open(); err != nil {
		return lap{}, err
	}
	began := time.Now()
	r.end = began.Add(span)
	for i := range r.lines {
		if err := r.send(&r.lines[i], began); err != nil {
			return lap{}, err
		}
	}
	err := r.loop(ctx)
	return lap{latencies: r.latencies, took: time.Since(began)}, err
}

// running is a run that has begun.
type running struct {
	*driver
	epoll     int
	lines     []line
	end       time.Time
	left      int // requests that may still be sent; negative: any number
	busy      int // answers that are awaited
	latencies []time.Duration
}

func (r *running) open() (err error) {
	if r.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return err
	}
	for range r.connections {
		if err := r.connect(); err != nil {
			return err
		}
	}
	return nil
}

func (r *running) connect() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(len(r.lines))}
	r.lines = append(r.lines, line{fd: fd, in: make([]byte, 0, answerLimit)})
	return errors.Join(
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1),
		syscall.Connect(fd, &r.to),
		syscall.SetNonblock(fd, true),
		syscall.EpollCtl(r.epoll, syscall.EPOLL_CTL_ADD, fd, &event),
	)
}

func (r *running) close() {
	for _, l := range r.lines {
		syscall.Close(l.fd)
	}
	syscall.Close(r.epoll)
}

// patience is how long a server may say nothing at all.
const patience = 30 * time.Second

func (r *running) loop(ctx context.Context) error {
	var events [64]syscall.EpollEvent
	for r.busy > 0 {
		n, err := syscall.EpollWait(r.epoll, events[:], int(patience.Milliseconds()))
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return errors.New("the server says nothing")
		case ctx.Err() != nil:
			return ctx.Err()
		}
		now := time.Now()
		for _, e := range events[:n] {
			if err := r.attend(&r.lines[e.Fd], now); err != nil {
				return err
			}
		}
	}
	return nil
}

// attend reads what has come on a connection, and sends the next request once the
// answer is complete.
func (r *running) attend(l *line, now time.Time) error {
	complete, err := l.receive(r.want)
	if err != nil || !complete {
		return err
	}
	r.latencies = append(r.latencies, now.Sub(l.sent))
	l.in = l.in[:0]
	r.busy--
	return r.send(l, now)
}

// send sends the next request, if there is to be one.
func (r *running) send(l *line, now time.Time) error {
	if r.left == 0 || now.After(r.end) {
		return nil
	}
	if r.next == len(r.requests) {
		r.next = 0
	}
	request := r.requests[r.next]
	r.next++
	r.left--
	r.busy++
	l.sent = now
	n, err := syscall.Write(l.fd, request)
	if err == nil && n < len(request) {
		err = errors.New("a request was cut short")
	}
	return err
}

var (
	headEnd = []byte("\r\n\r\n")
	length  = []byte("\r\nContent-Length: ")
	okLine  = []byte("HTTP/1.1 200 ")
)

// receive reads from a connection, and reports whether an answer is complete. The
// error is that it is not a 200 that begins as wanted.
func (l *line) receive(want []byte) (bool, error) {
	n, err := syscall.Read(l.fd, l.in[len(l.in):cap(l.in)])
	switch {
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return false, nil
	case err != nil:
		return false, err
	case n == 0:
		return false, errors.New("the server closed a connection")
	}
	l.in = l.in[:len(l.in)+n]
	head := bytes.Index(l.in, headEnd)
	if head < 0 {
		return false, nil
	}
	size, err := contentLength(l.in[:head+2])
	if err != nil || len(l.in) < head+4+size {
		return false, err
	}
	if !bytes.HasPrefix(l.in, okLine) || !bytes.HasPrefix(l.in[head+4:], want) {
		return false, fmt.Errorf("the answer was %q", l.in)
	}
	return true, nil
}

func contentLength(head []byte) (int, error) {
	_, rest, found := bytes.Cut(head, length)
	value, _, ended := bytes.Cut(rest, headEnd[:2])
	if !found || !ended {
		return 0, fmt.Errorf("an answer without a length: %q", head)
	}
	return strconv.Atoi(string(value))
}
