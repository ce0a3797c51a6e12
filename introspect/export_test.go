package introspect

import (
	"context"
	"net/http"

	"github.com/watchgate/watchgate/internal/web"
)

// Quick is what the edge asks first.
func (s *Server) Quick(r *http.Request, body []byte) (web.QuickAnswer, bool) { return s.quick(r, body) }

// Flush stores how keys were used.
func (s *Server) Flush(ctx context.Context) { s.flush(ctx) }
