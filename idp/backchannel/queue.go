package backchannel

import (
	"sync"

	"github.com/watchgate/watchgate/storage"
)

// How many deliveries are under way at once: to apps that answer, of them to one app,
// and to apps that do not.
const (
	atOnce     = 32
	atOnceEach = 4
	atOnceSlow = 16
)

// task is what is due about one row: to tell the app, or, when it has just not answered
// another one, to put it off.
type task struct {
	logout storage.Logout
	putOff bool
	lane   *int // what it takes room of
}

// answer is how an app took what it was told.
type answer int

const (
	prompt answer = iota
	late          // it answered, and took its time
	none
)

// app is what this node knows of an app that is being told something.
type app struct {
	flying int
	// slow: its last answer was late, or none. It is told one thing at a time, in a lane
	// beside the others, until it is prompt again.
	slow bool
}

// queue is what was read and is not done. Its zero value has no maps.
type queue struct {
	mu      sync.Mutex
	waiting []task
	known   map[key]bool // waiting or under way
	apps    map[storage.ClientID]*app
	swift   int // under way to apps that answer
	slow    int // and to those that do not
	more    bool
}

// add takes rows in that it does not have. more: the store has others.
func (q *queue) add(due []storage.Logout, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.more = q.more || more
	for _, l := range due {
		if !q.known[keyOf(l)] {
			q.known[keyOf(l)] = true
			q.waiting = append(q.waiting, task{logout: l})
		}
	}
}

// next gives out the first task for which there is room.
func (q *queue) next() (task, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, t := range q.waiting {
		a, ok := q.apps[t.logout.Client]
		if !ok {
			a = &app{}
		}
		if t.lane = q.room(a, t.putOff); t.lane == nil {
			continue
		}
		*t.lane++
		a.flying++
		q.apps[t.logout.Client] = a
		q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
		return t, true
	}
	return task{}, false
}

// room is the lane that something for an app may take now, nil for none.
func (q *queue) room(a *app, putOff bool) *int {
	switch {
	case a.slow && q.slow < atOnceSlow && (a.flying == 0 || putOff):
		return &q.slow
	case !a.slow && q.swift < atOnce && a.flying < atOnceEach:
		return &q.swift
	}
	return nil
}

// done ends a task. All that waits for an app that did not answer is put off, without
// asking it again. It reports whether the store should be asked for more.
func (q *queue) done(t task, how answer) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	*t.lane--
	delete(q.known, keyOf(t.logout))
	a := q.apps[t.logout.Client]
	a.flying--
	if !t.putOff {
		a.slow = how != prompt
		if how == none {
			q.putOff(t.logout.Client)
		}
	}
	if a.flying == 0 && !a.slow {
		delete(q.apps, t.logout.Client)
	}
	ask := q.more && len(q.waiting) == 0
	q.more = q.more && !ask
	return ask
}

func (q *queue) putOff(client storage.ClientID) {
	for i := range q.waiting {
		if q.waiting[i].logout.Client == client {
			q.waiting[i].putOff = true
		}
	}
}
