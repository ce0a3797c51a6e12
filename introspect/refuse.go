package introspect

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// refuse records that somebody asked who may not, and returns the refusal. Each
// address is recorded once a minute: the trail is no place to be flooded by
// strangers, who can make up names without end. Every refusal is in the log.
func (s *Server) refuse(ctx context.Context, c caller, err error) error {
	refusal := web.AsError(err)
	if refusal.Status < http.StatusInternalServerError {
		s.metrics.refused.Inc()
	}
	now := s.cfg.Now()
	if refusal.Status != http.StatusUnauthorized || !s.recorded.Allow(ctx, now, "", refusal.Code) {
		return refusal
	}
	ev := audit.IntrospectionRefused(ctx, now, c.ID, refusal.Code)
	s.lost(ctx, ev, s.cfg.Store.AppendPlatformEvent(ctx, ev))
	return refusal
}

// lost logs an event that could not be stored. What it is about changed nothing,
// so that the answer stands without its record.
func (s *Server) lost(ctx context.Context, ev storage.Event, err error) {
	if err != nil {
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "audit event lost", slog.String("kind", ev.Kind), slog.String("cause", err.Error()))
	}
}

// denied records, in the trail of a live token's tenant, that the token was
// presented where another tenant was named (TN-12).
func (s *Server) denied(ctx context.Context, w http.ResponseWriter, v verdict) {
	named := v.question.tenant
	if named == "" {
		named = string(v.rs.TenantID)
	}
	now, by := v.question.now, string(v.rs.ID)
	if !s.crossed.Allow(origin.With(ctx, origin.Origin{}), now, string(v.tenant), by+" "+s.place(named)) {
		return
	}
	// What cannot flush sends the answer when the handler is done.
	_ = http.NewResponseController(w).Flush()
	// Who has the answer may go, and the record is made all the same.
	ctx = context.WithoutCancel(ctx)
	ev := audit.CrossTenantDenied(ctx, now, named, by)
	s.lost(ctx, ev, s.cfg.Store.Tenant(v.tenant).AppendEvent(ctx, ev))
}

// places is how many names of other tenants one resource server's denials have
// room for, in one tenant's trail, in a minute.
const places = 16

// place puts a name into one of the places: who has a token and an API that
// takes the tenant from the address can make up names without end.
func (s *Server) place(name string) string {
	return strconv.FormatUint(maphash.String(s.seed, name)%places, 10)
}
