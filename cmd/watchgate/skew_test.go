package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// skewed is a store on a machine whose clock is not this one's, and that counts
// its sweeps.
type skewed struct {
	storage.Store
	by     time.Duration
	sweeps int
}

func (s *skewed) Clock(context.Context) (time.Time, error) { return now().Add(s.by), nil }

func (s *skewed) Sweep(context.Context, time.Time) (storage.Swept, error) {
	s.sweeps++
	return storage.Swept{}, nil
}

// TestNodeWithAWrongClockDoesNotCleanUp: tokens that are good elsewhere would go.
func TestNodeWithAWrongClockDoesNotCleanUp(t *testing.T) {
	for by, sweeps := range map[time.Duration]int{0: 1, time.Minute: 1, -time.Minute: 1, time.Hour: 0, -time.Hour: 0} {
		s := &skewed{by: by}
		err := (&deployment{store: s, log: quietLog()}).sweep(t.Context())
		if s.sweeps != sweeps || (err != nil) != (sweeps == 0) {
			t.Errorf("%v apart: %d sweeps, %v", by, s.sweeps, err)
		}
		if err != nil && !strings.Contains(err.Error(), "clocks of this node and of the database are 1h0m0s apart") {
			t.Error(err)
		}
	}
}
