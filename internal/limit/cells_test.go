package limit

import (
	"context"
	"fmt"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func still() time.Time { return noon }

var twoInTwoSeconds = Rate{Requests: 1, Per: time.Second, Burst: 2}

// Attack: somebody with more keys, or addresses, than there is room for.
func TestAttackKeysWithoutEnd(t *testing.T) {
	c := NewCells(100, time.Second, still)
	g := twoInTwoSeconds.gcra(c)
	for i := range 10_000 {
		ask(t.Context(), g, fmt.Sprint(i), 1)
		if len(c.m) > 100 {
			t.Fatalf("%d keys", len(c.m))
		}
	}
	c.now = func() time.Time { return noon.Add(time.Minute) }
	for i := range 100 {
		ask(t.Context(), g, fmt.Sprint("later", i), 1)
	}
	over := 0
	for _, v := range c.m {
		if v.Load() <= noon.Add(time.Minute).UnixNano() {
			over++
		}
	}
	if over > 10 {
		t.Errorf("%d keys that are over are kept in the place of what is not", over)
	}
}

func TestLookingLeavesNothing(t *testing.T) {
	c := NewCells(100, time.Second, still)
	ask(context.Background(), twoInTwoSeconds.gcra(c), "a", 0)
	if len(c.m) != 0 {
		t.Errorf("%d keys", len(c.m))
	}
}
