package authz

import (
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// A view is remembered for viewLife, and at most maxViews of them. Neither is a
// matter of correctness: see viewMemory.
const (
	viewLife = 5 * time.Second
	maxViews = 1024
)

// view is what an authorization request is decided on.
type view struct {
	client   storage.Client
	sessions []storage.LiveSession
}

// viewKey says which view: the arguments of the lookup.
type viewKey struct {
	client         storage.ClientID
	host, resource string
	handles        string
}

func newViewKey(client storage.ClientID, host, resource string, handles [][]byte) viewKey {
	var b strings.Builder
	for _, h := range handles {
		b.WriteString(hex.EncodeToString(h))
		b.WriteByte(' ')
	}
	return viewKey{client: client, host: host, resource: resource, handles: b.String()}
}

// viewMemory remembers views that led to a code, so that the next code of the
// same browser and client costs one round trip. A remembered view can only
// propose: the statement that issues the code checks again, at that moment,
// everything that the view says, and fails if anything changed; and what a
// remembered view would refuse is looked at afresh. So a stale view costs a
// round trip and never a wrong answer.
type viewMemory struct {
	mu    sync.Mutex
	views map[viewKey]rememberedView
}

type rememberedView struct {
	view
	at time.Time
}

func newViewMemory() *viewMemory { return &viewMemory{views: map[viewKey]rememberedView{}} }

func (m *viewMemory) get(k viewKey, now time.Time) (view, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.views[k]
	age := now.Sub(v.at)
	return v.view, ok && age >= 0 && age < viewLife
}

func (m *viewMemory) put(k viewKey, v view, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.views[k]; !known && len(m.views) >= maxViews {
		m.makeRoom(now)
	}
	m.views[k] = rememberedView{view: v, at: now}
}

// makeRoom drops what is over, or, if nothing is, any one.
func (m *viewMemory) makeRoom(now time.Time) {
	for k, v := range m.views {
		if now.Sub(v.at) >= viewLife {
			delete(m.views, k)
		}
	}
	for k := range m.views {
		if len(m.views) < maxViews {
			return
		}
		delete(m.views, k)
	}
}

func (m *viewMemory) drop(k viewKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.views, k)
}
