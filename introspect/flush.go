package introspect

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// How the uses of API keys are stored.
const (
	flushEvery = 10 * time.Second
	// flushLast is how long the last flush may take, when the process ends.
	flushLast = 5 * time.Second
	// maxFlush is how many are stored in one statement.
	maxFlush = 500
	// keepUses is how old what cannot be stored gets.
	keepUses = 24 * time.Hour
)

// Run stores how API keys are used, every ten seconds and once more when ctx is done.
// It then returns nil. What could not be stored is tried again, for a day at most;
// no answer waits for it.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushLast)
			defer cancel()
			s.flush(last)
			return nil
		}
	}
}

// flush stores what was counted since the last one.
func (s *Server) flush(ctx context.Context) {
	byTenant := map[storage.TenantID][]storage.KeyUse{}
	for w, n := range s.uses.take() {
		byTenant[w.tenant] = append(byTenant[w.tenant], w.record(n))
	}
	var failed error
	for tenant, all := range byTenant {
		for len(all) > 0 {
			some := all[:min(maxFlush, len(all))]
			all = all[len(some):]
			if err := s.cfg.Store.Tenant(tenant).NoteKeyUses(ctx, some); err != nil {
				failed = errors.Join(failed, err)
				s.keep(tenant, some)
			}
		}
	}
	if failed != nil {
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "uses of API keys not stored", slog.String("cause", failed.Error()))
	}
}

// keep has uses stored with the next flush, if they are not too old.
func (s *Server) keep(tenant storage.TenantID, some []storage.KeyUse) {
	now := s.cfg.Now()
	for _, k := range some {
		if now.Sub(k.LastAt) > keepUses {
			s.uses.dropped.Add(float64(k.Calls))
			continue
		}
		w := use{tenant: tenant, key: k.Key, day: dayOf(k.Day.UnixMilli()), why: k.Refused, ip: k.IP, scope: k.Scope, rs: k.ResourceServer}
		s.uses.putBack(w, times{k.Calls, k.LastAt.UnixMilli()})
	}
}

func (w use) record(n times) storage.KeyUse {
	return storage.KeyUse{
		Key: w.key, Day: time.UnixMilli(w.day * day.Milliseconds()).UTC(), Refused: w.why, IP: w.ip, Scope: w.scope, ResourceServer: w.rs,
		Calls: n.calls, LastAt: time.UnixMilli(n.last).UTC(),
	}
}
