package signer

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	weeks = Schedule{PublishAhead: day, SignFor: 7 * day, KeepFor: 3 * day}
)

// at returns a moment so many hours after the start.
func at(hours int) time.Time { return start.Add(time.Duration(hours) * time.Hour) }

// row is a key; -1 leaves a time out.
func row(kid string, created, active, retired int) storage.SigningKey {
	k := storage.SigningKey{KID: kid, Alg: ES256, CreatedAt: at(created), Version: 1}
	if active >= 0 {
		k.ActiveAt = at(active)
	}
	if retired >= 0 {
		k.RetiredAt = at(retired)
		k.RemoveAt = k.RetiredAt.Add(weeks.KeepFor)
	}
	return k
}

func lineAt(hours int, rows ...storage.SigningKey) *line {
	return newLine(rows, ES256, weeks, at(hours))
}

// times shows a line as kid -> hours of active, retired and removal.
func times(rows []storage.SigningKey) map[string][3]int {
	hours := func(t time.Time) int {
		if t.IsZero() {
			return -1
		}
		return int(t.Sub(start) / time.Hour)
	}
	out := map[string][3]int{}
	for _, k := range rows {
		out[k.KID] = [3]int{hours(k.ActiveAt), hours(k.RetiredAt), hours(k.RemoveAt)}
	}
	return out
}

func expect(t *testing.T, l *line, want map[string][3]int) {
	t.Helper()
	if diff := cmp.Diff(want, times(l.keys())); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
}

func TestNextTakesOverAtOnceWhenItHasBeenPublished(t *testing.T) {
	l := lineAt(168, row("a", 0, 0, -1), row("b", 0, -1, -1))
	if !l.due() {
		t.Fatal("the key has signed for its week, and is not due")
	}
	l.promote()
	expect(t, l, map[string][3]int{"a": {0, 168, 240}, "b": {168, -1, -1}})
}

func TestNextWaitsUntilItHasBeenPublishedLongEnough(t *testing.T) {
	l := lineAt(10, row("a", 0, 0, -1), row("b", 5, -1, -1))
	if l.due() {
		t.Error("a key of ten hours is due")
	}
	l.promote()
	expect(t, l, map[string][3]int{"a": {0, 29, 101}, "b": {29, -1, -1}})
	if !signs(l.heirs[0], at(28)) || signs(l.heirs[0], at(29)) || signs(l.heirs[1], at(28)) || !signs(l.heirs[1], at(29)) {
		t.Error("one key must sign at any moment: a until 29 h, b from then on")
	}
}

func TestFirstKeySignsAtOnce(t *testing.T) {
	l := lineAt(0, row("a", 0, -1, -1), row("b", 0, -1, -1))
	if !l.due() {
		t.Fatal("nobody signs, and nothing is due")
	}
	l.promote()
	expect(t, l, map[string][3]int{"a": {0, -1, -1}, "b": {-1, -1, -1}})
}

func TestDroppedActiveKeyIsFollowedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		rows []storage.SigningKey
		want map[string][3]int
	}{
		"by the scheduled one": {
			[]storage.SigningKey{row("a", 0, 0, 29), row("b", 5, 29, -1), row("c", 6, -1, -1)},
			map[string][3]int{"a": {0, 10, 10}, "b": {10, -1, -1}, "c": {-1, -1, -1}},
		},
		"and the retired one stays retired": {
			[]storage.SigningKey{row("o", 0, 0, 4), row("a", 0, 4, 29), row("b", 5, 29, -1)},
			map[string][3]int{"o": {0, 4, 76}, "a": {4, 10, 10}, "b": {10, -1, -1}},
		},
	} {
		l := lineAt(10, c.rows...)
		if !l.drop("a") || !l.signing() {
			t.Errorf("%s: nobody signs after the drop", name)
		}
		expect(t, l, c.want)
	}
	l := lineAt(10, row("a", 0, 0, -1), row("b", 9, -1, -1))
	l.drop("a")
	l.promote()
	expect(t, l, map[string][3]int{"a": {0, 10, 10}, "b": {10, -1, -1}})
}

func TestDroppedHeirLeavesItsPredecessorSigning(t *testing.T) {
	l := lineAt(10, row("a", 0, 0, 29), row("b", 5, 29, -1), row("c", 6, -1, -1))
	l.drop("b")
	expect(t, l, map[string][3]int{"a": {0, -1, -1}, "b": {29, 10, 10}, "c": {-1, -1, -1}})
	if l.drop("b") || l.drop("x") {
		t.Error("a key that is not in the line was dropped")
	}
}

func TestRemovedKeysAreInNoLine(t *testing.T) {
	l := lineAt(100, row("a", 0, 0, 20), row("b", 0, 20, -1))
	if got := times(l.keys()); len(got) != 1 {
		t.Errorf("at 100 h: %v, want b alone: a was kept until 92 h", got)
	}
	if l := lineAt(91, row("a", 0, 0, 20), row("b", 0, 20, -1)); len(l.heirs) != 2 {
		t.Error("a retired key left before its time")
	}
}

// TestTwoNodesThatBothMadeTheFirstKeyAgree has the keys of two nodes that found
// the store empty at the same time.
func TestTwoNodesThatBothMadeTheFirstKeyAgree(t *testing.T) {
	l := lineAt(1, row("a", 0, 0, -1), row("b", 0, 0, -1), row("c", 0, -1, -1), row("d", 0, -1, -1))
	l.link()
	signing := slices.DeleteFunc(l.keys(), func(k storage.SigningKey) bool { return !signs(k, at(1)) })
	if len(signing) != 1 || signing[0].KID != "b" || l.due() {
		t.Errorf("signing: %v, want b alone", times(signing))
	}
}

func TestKeysThatAreOnlyAddedCarryAGuard(t *testing.T) {
	l := lineAt(1, row("a", 0, 0, -1))
	before := l.keys()
	fresh := row("n", 1, -1, -1)
	fresh.Version = 0
	l.next = append(l.next, fresh)
	changed := changes(before, l.keys())
	if len(changed) != 1 || len(l.guard(changed)) != 2 {
		t.Errorf("changed %v, guarded %v; want n, and a as its guard", times(changed), times(l.guard(changed)))
	}
	l.promote()
	if changed = changes(before, l.keys()); len(changed) != 2 || len(l.guard(changed)) != 2 {
		t.Errorf("changed %v; want a and n, which need no guard", times(changed))
	}
	if got := changes(before, before); len(got) != 0 {
		t.Errorf("nothing changed, but %v", times(got))
	}
}

func TestDefaultsOfTheSchedule(t *testing.T) {
	want := Schedule{PublishAhead: 24 * time.Hour, SignFor: 90 * day, KeepFor: 31 * day}
	if got := (Schedule{}).withDefaults(); got != want {
		t.Errorf("defaults = %+v, want %+v", got, want)
	}
	if got := weeks.withDefaults(); got != weeks {
		t.Errorf("a given schedule became %+v", got)
	}
}
