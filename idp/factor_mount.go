package idp

import (
	"github.com/watchgate/watchgate/internal/web"
)

// mountFactors registers what has a path of its own: the e-mailed links and the
// break-glass sign-in. The forms of a transaction, postFactor and postEnrol, are below
// its own path ("factor", "enrol"), which postPage takes apart.
func (s *Server) mountFactors(page func(string, web.Handler)) {
	page("GET /login/link/{tenant}/{secret}", s.showLink)
	page("POST /login/link/{tenant}/{secret}", s.sameOrigin(s.openLink))
	page("GET /login/break-glass", s.breakGlass)
	page("POST /login/break-glass", s.sameOrigin(s.breakGlass))
}
