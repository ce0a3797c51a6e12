package introspect

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/clientauth"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/web"
)

// refuse records that somebody asked who may not, and returns the refusal. Each
// address is recorded once a minute: the trail is no place to be flooded by
// strangers, who can make up names without end. Every refusal is in the log.
func (s *Server) refuse(ctx context.Context, c clientauth.Credentials, err error) error {
	refusal := web.AsError(err)
	now := s.cfg.Now()
	from := origin.From(ctx).IP
	if refusal.Status != http.StatusUnauthorized || s.recorded.has(now, from, refusal.Code) {
		return refusal
	}
	s.recorded.add(now, from, refusal.Code)
	ev := audit.IntrospectionRefused(ctx, now, c.ID, refusal.Code)
	if err := s.cfg.Store.AppendPlatformEvent(ctx, ev); err != nil {
		// The refusal changed nothing, so that it stands without its record.
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "audit event lost", slog.String("kind", ev.Kind), slog.String("cause", err.Error()))
	}
	return refusal
}
