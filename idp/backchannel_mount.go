package idp

import (
	"sync"
	"time"

	"github.com/watchgate/watchgate/internal/web"
)

// mountSignOut registers what ends sessions of the browser that asks.
func (s *Server) mountSignOut(page func(string, web.Handler)) {
	page("GET /oauth2/logout", s.getSignOut)
	page("POST /oauth2/logout", s.postSignOut)
}

// mountBackchannel registers where providers say that somebody is signed out.
func (s *Server) mountBackchannel(m *web.Mux) {
	m.API("POST "+s.path+"/login/backchannel/{tenant}/{connection}", s.upstreamLogout)
	m.API("POST "+s.path+"/login/revocation/{tenant}/{connection}", s.upstreamRevocation)
}

// endings is what ending sessions needs beside the store.
type endings struct {
	wake func()

	mu sync.Mutex
	// owed are the ids of tokens that were used up and whose effect the store then did
	// not take, until they expire: the provider may send such a one again.
	owed map[string]time.Time
}

// SetLogoutWake names what is called after sessions have ended here: somebody may have
// to be told. It must return at once. Call it before the first request.
func (s *Server) SetLogoutWake(wake func()) { s.endings.wake = wake }

func (s *Server) ended() {
	if s.endings.wake != nil {
		s.endings.wake()
	}
}
