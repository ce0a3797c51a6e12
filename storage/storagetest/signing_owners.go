package storagetest

import (
	"errors"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
)

func testOwners(t *testing.T, w *world) {
	testLastOwner(w)
	testLastOwnerSignsIn(w)
	for range rounds {
		raceForLastOwner(w)
	}
}

// owner is somebody with the role.
func (w *world) owner(h *home) (storage.User, storage.Identity) {
	w.Helper()
	in := w.signIn(h)
	in.User.Role = storage.RoleOwner
	w.must(h.CreateUser(w.Context(), in.User, []storage.Identity{in.Identity}, w.event("x")))
	return in.User, in.Identity
}

// testLastOwner: the last one stays. Others come and go.
func testLastOwner(w *world) {
	ctx, h := w.Context(), w.newHome()
	w.same(get(h.Owners(ctx))(w), []storage.User(nil))
	member := h.user // in a tenant that has no owner, nobody takes one away
	member.Role = storage.RoleViewer
	w.must(h.UpdateUser(ctx, member, w.event("x")))

	first, _ := w.owner(h)
	w.same(get(h.Owners(ctx))(w), []storage.User{first})
	less, disabled := first, first
	less.Role, disabled.DisabledAt = storage.RoleAdmin, w.now
	before := w.look(h)
	w.want(h.UpdateUser(ctx, less, w.event("x")), storage.ErrLastOwner)
	w.want(h.UpdateUser(ctx, disabled, w.event("x")), storage.ErrLastOwner)
	w.same(w.look(h), before)
	stale := less
	stale.Version = 7
	w.want(h.UpdateUser(ctx, stale, w.event("x")), storage.ErrConflict)
	stale.ID = "usr_nobody"
	w.want(h.UpdateUser(ctx, stale, w.event("x")), storage.ErrNotFound)
	kept := first
	kept.Email = "new@acme.test"
	w.must(h.UpdateUser(ctx, kept, w.event("x")))
	less.Version, disabled.Version = 2, 2

	second, _ := w.owner(h)
	second.DisabledAt = w.now
	w.must(h.UpdateUser(ctx, second, w.event("x"))) // there is the first
	w.want(h.UpdateUser(ctx, less, w.event("x")), storage.ErrLastOwner)
	second.DisabledAt, second.Version = time.Time{}, 2
	w.must(h.UpdateUser(ctx, second, w.event("x")))
	w.must(h.UpdateUser(ctx, less, w.event("x")))
	second.Version++
	w.same(get(h.Owners(ctx))(w), []storage.User{second})
}

// testLastOwnerSignsIn: a provider that says less of them takes nothing from the last.
func testLastOwnerSignsIn(w *world) {
	ctx, h := w.Context(), w.newHome()
	u, identity := w.owner(h)
	in := storage.SignIn{Identity: identity, User: u, Demotes: true, Session: w.newSession(u.ID, h.connection.ID)}
	in.User.Role = storage.RoleMember
	before := w.look(h)
	w.want(h.SignIn(ctx, in, w.event("x")), storage.ErrLastOwner)
	w.same(w.look(h), before)
	second, _ := w.owner(h)
	w.must(h.SignIn(ctx, in, w.event("x")))
	w.same(get(h.Owners(ctx))(w), []storage.User{second})
}

// rounds are enough for a race to be one: on PostgreSQL, transactions that could
// disturb each other do so in every second.
const rounds = 5

// ownersAtOnce is how many owners leave at the same moment.
const ownersAtOnce = 8

// raceForLastOwner: owners who all give the role up, by themselves or by signing in,
// leave one.
func raceForLastOwner(w *world) {
	h := w.newHome()
	ins, events := make([]storage.SignIn, racers), make([]storage.Event, racers)
	for i := range ins {
		in := &ins[i]
		if i < ownersAtOnce {
			in.User, in.Identity = w.owner(h)
		}
		in.Demotes, in.Session, events[i] = true, w.newSession(in.User.ID, h.connection.ID), w.event("x")
		in.User.Role = storage.RoleMember
	}
	won, last := 0, 0
	for i, err := range race(func(i int) error {
		switch {
		case i >= ownersAtOnce:
			return nil
		case i%2 == 0:
			return h.SignIn(w.Context(), ins[i], events[i])
		}
		return h.UpdateUser(w.Context(), ins[i].User, events[i])
	})[:ownersAtOnce] {
		switch {
		case err == nil:
			won++
		case errors.Is(err, storage.ErrLastOwner):
			last++
		default:
			w.Errorf("owner %d: %v", i, err)
		}
	}
	if left := get(h.Owners(w.Context()))(w); won != ownersAtOnce-1 || last != 1 || len(left) != 1 {
		w.Errorf("of %d owners %d left, %d were refused and %d are there; want one", ownersAtOnce, won, last, len(left))
	}
}
