package audit

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/origin"
)

func from(ip string) context.Context {
	return origin.With(context.Background(), origin.Origin{IP: ip})
}

func TestAttackFloodOfTheTrail(t *testing.T) {
	l := NewLimiter()
	if !l.Allow(from("203.0.113.9"), at, "", "already_used") {
		t.Fatal("the first is not recorded")
	}
	for name, c := range map[string]struct {
		ip, trail, code string
		after           time.Duration
		want            bool
	}{
		"again at once":     {"203.0.113.9", "", "already_used", 0, false},
		"within the minute": {"203.0.113.9", "", "already_used", time.Minute - 1, false},
		"another code":      {"203.0.113.9", "", "other_browser", 0, true},
		"another address":   {"203.0.113.10", "", "already_used", 0, true},
		"another trail":     {"203.0.113.9", "ten_1", "already_used", 0, true},
		"a shifted border":  {"203.0.113.9", "already_used", "", 0, true},
	} {
		if got := l.Allow(from(c.ip), at.Add(c.after), c.trail, c.code); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if !l.Allow(from("203.0.113.9"), at.Add(time.Minute), "", "already_used") {
		t.Error("not recorded a minute later")
	}
}

func TestAttackFloodFromOneIPv6Network(t *testing.T) {
	l := NewLimiter()
	recorded := 0
	for i := range 100 {
		if l.Allow(from(fmt.Sprintf("2001:db8:0:1::%x", i)), at, "", "x") {
			recorded++
		}
	}
	if recorded != 1 || !l.Allow(from("2001:db8:0:2::1"), at, "", "x") {
		t.Errorf("%d recorded from one network", recorded)
	}
}

func TestLimiterForgetsRatherThanGrows(t *testing.T) {
	l := NewLimiter()
	for i := range 3 * maxLimited {
		l.Allow(from(""), at, "", fmt.Sprint(i))
	}
	if len(l.till) > maxLimited {
		t.Errorf("%d remembered", len(l.till))
	}
}
