package introspect

import "sync"

// flights are the questions that the store is being asked at this moment, so that
// many who ask the same at once cost one statement.
type flights struct {
	mu sync.Mutex
	by map[key]*flight
}

// flight is one question to the store.
type flight struct {
	done chan struct{} // closed when found is there
	// found is what is to be remembered, nil when nothing is. It was read by
	// somebody else, perhaps before who joined began: whoever did not read it has to
	// see that nothing changed since.
	found entry
}

func newFlights() *flights { return &flights{by: map[key]*flight{}} }

// join returns the question that is being asked about k. true: there was none, and
// the caller has to ask it, and then to land.
func (f *flights) join(k key) (*flight, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now, ok := f.by[k]; ok {
		return now, false
	}
	own := &flight{done: make(chan struct{})}
	f.by[k] = own
	return own, true
}

// land ends a question that the caller asked.
func (f *flights) land(k key, own *flight) {
	f.mu.Lock()
	delete(f.by, k)
	f.mu.Unlock()
	close(own.done)
}
