package domains

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// gate is a store that lets something else happen before the next change of a domain,
// after it was read.
type gate struct {
	storage.TenantOpener
	meanwhile func()
}

type gated struct {
	storage.TenantStore
	gate *gate
}

// Tenant implements storage.TenantOpener.
func (g *gate) Tenant(id storage.TenantID) storage.TenantStore {
	return gated{g.TenantOpener.Tenant(id), g}
}

func (g gated) open() {
	if do := g.gate.meanwhile; do != nil {
		g.gate.meanwhile = nil
		do()
	}
}

// PutDomain implements storage.Domains.
func (g gated) PutDomain(ctx context.Context, d storage.Domain, ev storage.Event) error {
	g.open()
	return g.TenantStore.PutDomain(ctx, d, ev)
}

// DeleteDomain implements storage.Domains.
func (g gated) DeleteDomain(ctx context.Context, d storage.Domain, ev storage.Event) error {
	g.open()
	return g.TenantStore.DeleteDomain(ctx, d, ev)
}

// other is a node of the deployment that somebody overtakes.
func (w *world) other(meanwhile func()) *Claims {
	cfg := w.claims.cfg
	cfg.Opener = &gate{w.store, meanwhile}
	return New(cfg)
}

func (w *world) second(t storage.TenantID) storage.ConnectionID {
	w.Helper()
	con := storage.NewConnectionID(start)
	must(w.T, w.store.Tenant(t).CreateConnection(w.Context(), storage.Connection{ID: con, Kind: storage.OIDC, Name: "second", CreatedAt: start}, event("connection.created")))
	return con
}

// TestTickUndoesNoChange that somebody makes while it looks.
func TestTickUndoesNoChange(t *testing.T) {
	w := newWorld(t)
	w.prove(w.acme, "acme.example")
	second := w.second(w.acme)
	node := w.other(func() {
		_, err := w.claims.Change(t.Context(), w.acme, "acme.example", Change{Connection: &second})
		must(t, err)
	})
	w.now = w.now.Add(day)
	_, err := node.Tick(t.Context())
	must(t, err)
	if d := w.get(w.acme, "acme.example"); d.Connection != second || !d.CheckedAt.Equal(w.now) {
		t.Errorf("%+v", d)
	}
}

// TestTickTakesNoDomainThatIsProvedMeanwhile after its record was gone for a week.
func TestTickTakesNoDomainThatIsProvedMeanwhile(t *testing.T) {
	w := newWorld(t)
	d := w.prove(w.acme, "acme.example")
	w.zone.forget(d)
	w.tick(day)
	w.now = w.now.Add(8 * day)
	node := w.other(func() {
		w.zone.say(d)
		_, err := w.claims.Verify(t.Context(), w.acme, "acme.example")
		must(t, err)
	})
	_, err := node.Tick(t.Context())
	must(t, err)
	if d := w.get(w.acme, "acme.example"); d.VerifiedAt.IsZero() || !d.FailingSince.IsZero() || len(w.told) != 1 {
		t.Errorf("%+v, told %v", d, w.told)
	}
}

// TestTwoNodesTellOnce what both have seen.
func TestTwoNodesTellOnce(t *testing.T) {
	w := newWorld(t)
	w.zone.forget(w.prove(w.acme, "acme.example"))
	for _, after := range []time.Duration{day, 8 * day} {
		w.told, w.now = nil, w.now.Add(after)
		_, err := w.other(func() { w.tick(0) }).Tick(t.Context())
		must(t, err)
		if len(w.told) != 1 {
			t.Errorf("told %v", w.told)
		}
	}
}

// TestChangesOfTwoAtOnceAreBothKept: each says what is to be different, and nothing else.
func TestChangesOfTwoAtOnceAreBothKept(t *testing.T) {
	w := newWorld(t)
	w.prove(w.acme, "acme.example")
	second, read := w.second(w.acme), w.get(w.acme, "acme.example")
	repoint := func() {
		_, err := w.claims.Change(t.Context(), w.acme, "acme.example", Change{Connection: &second})
		must(t, err)
	}
	_, err := w.other(repoint).Change(t.Context(), w.acme, "acme.example", Change{SSORequired: new(true)})
	must(t, err)
	if d := w.get(w.acme, "acme.example"); d.Connection != second || !d.SSORequired {
		t.Errorf("%+v", d)
	}
	if _, err := w.claims.ChangeAsRead(t.Context(), w.acme, read, Change{SSORequired: new(false)}); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("decided on what is no longer so: %v", err)
	}
	if err := w.claims.Remove(t.Context(), w.acme, read); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("removed as it is no longer: %v", err)
	}
}

// TestProofOfAClaimThatWasMadeAnew: the record that was seen is not of it.
func TestProofOfAClaimThatWasMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.zone.say(w.claim(w.acme, "acme.example"))
	node := w.other(func() {
		must(t, w.claims.Remove(t.Context(), w.acme, w.get(w.acme, "acme.example")))
		w.claim(w.acme, "acme.example")
	})
	_, err := node.Verify(t.Context(), w.acme, "acme.example")
	if d := w.get(w.acme, "acme.example"); !errors.Is(err, ErrNotProved) || !d.VerifiedAt.IsZero() {
		t.Errorf("%v, %+v", err, d)
	}
}
