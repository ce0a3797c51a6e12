package apikey_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

// told is what somebody was told.
type told struct {
	Tenant storage.TenantID
	User   storage.UserID
	Kind   mail.Kind
	Fields map[string]string
}

// teller remembers what it was asked to tell.
type teller struct {
	told   []told
	broken error
}

func (l *teller) TellOwner(_ context.Context, t storage.TenantID, u storage.UserID, kind mail.Kind, fields map[string]string) error {
	l.told = append(l.told, told{t, u, kind, fields})
	return l.broken
}

// telling gives the service somebody who tells.
func (w *world) telling(l apikey.Teller) {
	profiles, err := apikey.ParseProfiles(w.file.Keys, w.file.Catalogue, w.file.Name)
	w.must(err)
	w.keys = apikey.New(apikey.Config{
		Store: w.asks, Profiles: profiles, Catalogue: w.file.Catalogue, Signer: w.signer, Sealer: w.sealer, Now: w.now,
		Issuer: w.issuer, Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Registerer: w.reg, Teller: l,
	})
}

func TestOwnerOfALeakedKeyIsTold(t *testing.T) {
	w, l := newWorld(t), &teller{}
	w.telling(l)
	bobs := w.create(w.as(w.bob), apikey.NewKey{Name: "nightly"})
	service := w.create(w.as(w.alice), apikey.NewKey{Name: "robot", Service: true})
	for _, secret := range []string{bobs.Secret, bobs.Secret, service.Secret} {
		_, err := w.keys.Leaked(t.Context(), secret)
		w.must(err)
	}
	want := []told{
		{w.acme.ID, w.bob.ID, mail.KeyLeaked, map[string]string{"key": "nightly", "hint": bobs.Key.Hint, "done": "revoked"}},
		{w.acme.ID, "", mail.KeyLeaked, map[string]string{"key": "robot", "hint": service.Key.Hint, "done": "revoked"}},
	}
	if diff := cmp.Diff(want, l.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestOwnerIsToldOnceOfALeakThatTakesSeveralKeys(t *testing.T) {
	w, l := newWorld(t), &teller{}
	w.telling(l)
	old := w.create(w.as(w.bob), apikey.NewKey{Name: "nightly"})
	next, err := w.keys.Rotate(t.Context(), w.as(w.bob), old.Key.ID, ptr(time.Duration(0)))
	w.must(err)
	w.pass(time.Second) // the old one is over: only what came of it is taken
	_, err = w.keys.Leaked(t.Context(), old.Secret)
	w.must(err)
	if why := w.dead(next.Secret); why != "revoked" {
		t.Fatalf("the successor is %q", why)
	}
	want := []told{{w.acme.ID, w.bob.ID, mail.KeyLeaked, map[string]string{"key": "nightly", "hint": old.Key.Hint, "done": "revoked"}}}
	if diff := cmp.Diff(want, l.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestOwnerIsToldOfASuccessorThatNobodyFetches(t *testing.T) {
	w, l := newWorld(t), &teller{}
	old, _ := w.rotated("")
	w.telling(l)
	w.pass(48 * time.Hour)
	for range 2 {
		w.must(w.keys.Tick(t.Context()))
	}
	stored, err := w.store.Tenant(w.acme.ID).Key(t.Context(), old.Key.ID)
	w.must(err)
	want := []told{{w.acme.ID, stored.Owner, mail.KeyNotFetched, map[string]string{
		"key": stored.Name, "until": stored.ExpiresAt.UTC().Format(time.RFC3339),
	}}}
	if diff := cmp.Diff(want, l.told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestKeyIsRevokedWhenNobodyCanBeTold(t *testing.T) {
	w, l := newWorld(t), &teller{broken: errors.New("the queue is away")}
	w.telling(l)
	made := w.create(w.as(w.bob), apikey.NewKey{})
	if known, err := w.keys.Leaked(t.Context(), made.Secret); !known || err != nil {
		t.Errorf("%v, %v", known, err)
	}
	if why := w.dead(made.Secret); why != "revoked" || !strings.Contains(w.log.String(), "the queue is away") {
		t.Errorf("%q\n%s", why, w.log.String())
	}
}
