//go:build !linux

package main

import (
	"context"
	"errors"
	"time"
)

// driver is the load generator, which waits by epoll.
type driver struct{ connections int }

func newDriver(string, int, [][]byte, string) (*driver, error) {
	return nil, errors.New("the load generator and the processes' times are Linux's")
}

func (*driver) run(context.Context, time.Duration, int) (lap, error) {
	return lap{}, errors.ErrUnsupported
}
