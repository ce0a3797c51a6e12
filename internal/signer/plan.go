package signer

import (
	"cmp"
	"slices"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Schedule is the life of a key. Zero durations take the defaults.
type Schedule struct {
	// PublishAhead is how long a key is in the JWKS before it signs: at least as
	// long as clients keep a JWKS. Default 24 h.
	PublishAhead time.Duration
	// SignFor is how long a key signs. Default 90 days.
	SignFor time.Duration
	// KeepFor is how long a retired key stays in the JWKS: at least as long as
	// anything that it signed is used. Default 31 days, one more than a refresh
	// token lives, whose client may still send its first ID token as a hint.
	// [Forever]: it never leaves.
	KeepFor time.Duration
}

const day = 24 * time.Hour

// Forever as [Schedule.KeepFor] keeps a retired key until it is dropped.
const Forever time.Duration = -1

func (s Schedule) withDefaults() Schedule {
	return Schedule{
		PublishAhead: cmp.Or(s.PublishAhead, day),
		SignFor:      cmp.Or(s.SignFor, 90*day),
		KeepFor:      cmp.Or(s.KeepFor, 31*day),
	}
}

// line is the succession of one algorithm's keys at a moment.
type line struct {
	Schedule
	now time.Time
	// heirs have a time at which they take over, in that order; next are
	// published and have none, oldest first. Removed keys are in neither.
	heirs, next []storage.SigningKey
	gone        []storage.SigningKey // dropped by this change
}

func newLine(keys []storage.SigningKey, alg string, s Schedule, now time.Time) *line {
	l := &line{Schedule: s, now: now}
	for _, k := range keys {
		switch {
		case k.Alg != alg || removed(k, now):
		case k.ActiveAt.IsZero():
			l.next = append(l.next, k)
		default:
			l.heirs = append(l.heirs, k)
		}
	}
	slices.SortFunc(l.next, byTime(func(k storage.SigningKey) time.Time { return k.CreatedAt }))
	l.sort()
	return l
}

func (l *line) sort() {
	slices.SortFunc(l.heirs, byTime(func(k storage.SigningKey) time.Time { return k.ActiveAt }))
}

// byTime orders keys by a time, and by kid where it is the same.
func byTime(at func(storage.SigningKey) time.Time) func(a, b storage.SigningKey) int {
	return func(a, b storage.SigningKey) int {
		return cmp.Or(at(a).Compare(at(b)), cmp.Compare(a.KID, b.KID))
	}
}

func removed(k storage.SigningKey, now time.Time) bool {
	return !k.RemoveAt.IsZero() && !now.Before(k.RemoveAt)
}

func signs(k storage.SigningKey, now time.Time) bool {
	return !k.ActiveAt.IsZero() && !now.Before(k.ActiveAt) && (k.RetiredAt.IsZero() || now.Before(k.RetiredAt))
}

// due reports whether the last of the line has signed long enough, or none is.
func (l *line) due() bool {
	if len(l.heirs) == 0 {
		return true
	}
	last := l.heirs[len(l.heirs)-1]
	return !last.RetiredAt.IsZero() || !l.now.Before(last.ActiveAt.Add(l.SignFor))
}

// promote gives the oldest of next its time: as soon as it has been published
// for long enough, and at once when nothing else signs.
func (l *line) promote() {
	k := l.next[0]
	l.next = l.next[1:]
	k.ActiveAt = l.now
	if ready := k.CreatedAt.Add(l.PublishAhead); ready.After(l.now) && l.signing() {
		k.ActiveAt = ready
	}
	// Two keys with one time would have no order.
	if n := len(l.heirs); n > 0 && !k.ActiveAt.After(l.heirs[n-1].ActiveAt) {
		k.ActiveAt = l.heirs[n-1].ActiveAt.Add(time.Millisecond)
	}
	l.heirs = append(l.heirs, k)
	l.sort()
	l.link()
}

// signing reports whether a key of the line signs now.
func (l *line) signing() bool {
	return slices.ContainsFunc(l.heirs, func(k storage.SigningKey) bool { return signs(k, l.now) })
}

// link lets every key retire when the one after it takes over. Retirements that
// have happened are facts and stay.
func (l *line) link() {
	for i := range l.heirs {
		k := &l.heirs[i]
		if !k.RetiredAt.IsZero() && !l.now.Before(k.RetiredAt) {
			continue
		}
		var retire, remove time.Time
		if i+1 < len(l.heirs) {
			retire = l.heirs[i+1].ActiveAt
			remove = l.removal(retire)
		}
		if !k.RetiredAt.Equal(retire) {
			k.RetiredAt, k.RemoveAt = retire, remove
		}
	}
}

// removal is when a key that retires then leaves the JWKS; zero: never.
func (l *line) removal(retire time.Time) time.Time {
	if l.KeepFor == Forever {
		return time.Time{}
	}
	return retire.Add(l.KeepFor)
}

// drop takes a key out of the line at once, and lets the next sign at once if
// it was the one that signed: in an emergency a client that has to fetch the
// JWKS again is the lesser evil. It reports whether the line has the key.
func (l *line) drop(kid string) bool {
	isIt := func(k storage.SigningKey) bool { return k.KID == kid }
	for _, list := range []*[]storage.SigningKey{&l.heirs, &l.next} {
		if i := slices.IndexFunc(*list, isIt); i >= 0 {
			k := (*list)[i]
			*list = slices.Delete(*list, i, i+1)
			if k.RetiredAt.IsZero() || l.now.Before(k.RetiredAt) {
				k.RetiredAt = l.now
			}
			k.RemoveAt = l.now
			l.gone = append(l.gone, k)
			l.succeed()
			return true
		}
	}
	return false
}

// succeed lets an heir whose time is still to come sign now, if nobody does.
func (l *line) succeed() {
	l.link()
	if l.signing() {
		return
	}
	for i := range l.heirs {
		if l.heirs[i].ActiveAt.After(l.now) {
			l.heirs[i].ActiveAt = l.now
			l.link()
			return
		}
	}
}

// keys returns all keys of the line, also what it has just dropped.
func (l *line) keys() []storage.SigningKey { return slices.Concat(l.heirs, l.next, l.gone) }

// changes returns what has to be written to turn before into after: new keys,
// and those whose times differ.
func changes(before, after []storage.SigningKey) []storage.SigningKey {
	old := make(map[string]storage.SigningKey, len(before))
	for _, k := range before {
		old[k.KID] = k
	}
	return slices.DeleteFunc(slices.Clone(after), func(k storage.SigningKey) bool {
		was, known := old[k.KID]
		return known && sameTimes(was, k)
	})
}

// guard adds the line's last heir to a change that only adds keys: its version
// lets one of two nodes that add one succeed.
func (l *line) guard(changed []storage.SigningKey) []storage.SigningKey {
	stored := func(k storage.SigningKey) bool { return k.Version > 0 }
	if i := len(l.heirs) - 1; i >= 0 && stored(l.heirs[i]) && !slices.ContainsFunc(changed, stored) {
		return append(slices.Clone(changed), l.heirs[i])
	}
	return changed
}

func sameTimes(a, b storage.SigningKey) bool {
	return a.ActiveAt.Equal(b.ActiveAt) && a.RetiredAt.Equal(b.RetiredAt) && a.RemoveAt.Equal(b.RemoveAt)
}
