package storagetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// signing is what a tenant's person has to sign in with, beside the provider, and what
// comes of signing out.
type signing struct {
	passkey, totp storage.Factor
	recovery      [][]byte
	link          storage.EmailLink
	mail          storage.Mail // carries the link
	trial         storage.ConnectionTest
	over          storage.Session // has ended, and a client waits to be told (logout)
	logout        storage.Logout
}

const linkLife = 15 * time.Minute

// newPasskey is a factor of the tenant's person, with every field set that it may have.
func (w *world) newPasskey(h *home) storage.Factor {
	id := storage.NewFactorID(w.now)
	return storage.Factor{ID: id, User: h.user.ID, Kind: storage.FactorPasskey, Name: "a key", CredentialID: []byte("\x00\xff" + id),
		Public: []byte(`{"key":1}`), Count: 7, CreatedAt: w.now, LastUsedAt: w.now.Add(-time.Second), Version: 1}
}

func (w *world) newTOTP(h *home) storage.Factor {
	return storage.Factor{ID: storage.NewFactorID(w.now), User: h.user.ID, Kind: storage.FactorTOTP, Name: "phone", SealedSecret: []byte{0, 200},
		CreatedAt: w.now.Add(-time.Hour), Version: 1}
}

func (w *world) newMail(h *home) storage.Mail {
	return storage.Mail{ID: storage.NewMailID(w.now), Tenant: h.tenant.ID, Kind: "link", To: h.user.Email, Sealed: []byte{5, 0, 5},
		CreatedAt: w.now, ExpiresAt: w.now.Add(linkLife), NextAt: w.now}
}

func (w *world) newLink(h *home) storage.EmailLink {
	return storage.EmailLink{Hash: hash(token.NewSecret()), User: h.user.ID, Email: h.user.Email, Purpose: storage.LinkSignIn,
		Login: "log_x", CreatedAt: w.now, ExpiresAt: w.now.Add(linkLife)}
}

func (w *world) newTrial(h *home) storage.ConnectionTest {
	return storage.ConnectionTest{ID: storage.NewTestID(w.now), Connection: h.connection.ID, CreatedAt: w.now, ExpiresAt: w.now.Add(24 * time.Hour),
		DoneAt: w.now, Report: []byte(`{"findings":[]}`)}
}

// newCodes are the hashes of recovery codes.
func newCodes(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = hash(token.NewSecret())
	}
	return out
}

// drawSigning makes up what is stored nowhere.
func (w *world) drawSigning(h *home) signing {
	s := signing{passkey: w.newPasskey(h), totp: w.newTOTP(h), recovery: newCodes(2), link: w.newLink(h), mail: w.newMail(h),
		trial: w.newTrial(h), over: w.newSession(h.user.ID, h.connection.ID)}
	s.logout = storage.Logout{Tenant: h.tenant.ID, Session: s.over.ID, Client: w.client.ID, User: h.user.ID, EndedAt: w.now, NextAt: w.now}
	return s
}

// newSigning stores what was drawn. The client got tokens in the session that is over.
func (w *world) newSigning(h *home) {
	w.Helper()
	ctx := w.Context()
	w.must(h.AddFactor(ctx, h.passkey, w.event("factor.added")))
	w.must(h.AddFactor(ctx, h.totp, w.event("factor.added")))
	w.must(h.ReplaceRecoveryCodes(ctx, h.user.ID, h.recovery, w.now, w.event("codes.replaced")))
	w.must(h.CreateEmailLink(ctx, h.link, h.mail, w.event("link.sent")))
	w.must(h.PutConnectionTest(ctx, h.trial, w.event("connection.tested")))
	w.must(h.SignIn(ctx, storage.SignIn{Identity: h.identity, User: h.user, Session: h.over}, w.event("user.signed_in")))
	h.user.Version++
	w.must(h.EndSession(ctx, h.over.ID, w.now, w.event("session.ended")))
	h.over.EndedAt = w.now
}

// signingPicture is everything that can be seen of a signing.
type signingPicture struct {
	Factors    []storage.Factor
	Recovery   int
	Link       storage.EmailLink
	Mail       storage.Mail
	Trial      storage.ConnectionTest
	Over       storage.Session
	Sessions   []storage.Session
	Logouts    []storage.Logout
	Identities []storage.Identity
}

func (w *world) lookAtSigning(h *home) signingPicture {
	w.Helper()
	ctx := w.Context()
	return signingPicture{
		Factors: get(h.ListFactors(ctx, h.user.ID))(w), Recovery: get(h.CountRecoveryCodes(ctx, h.user.ID))(w),
		Link: get(h.EmailLink(ctx, h.link.Hash, w.now))(w), Mail: get(h.Mail(ctx, h.mail.ID))(w),
		Trial: get(h.ConnectionTest(ctx, h.trial.ID, w.now))(w), Over: get(h.Session(ctx, h.over.ID))(w),
		Sessions: get(h.PageSessions(ctx, "", all, w.now))(w), Logouts: w.logoutsOf(h),
		Identities: get(h.Identities(ctx, h.user.ID))(w),
	}
}

// logoutsOf are those of the tenant's that wait, by session and client.
func (w *world) logoutsOf(h *home) []storage.Logout {
	w.Helper()
	due := get(w.store.DueLogouts(w.Context(), w.now.AddDate(1, 0, 0), all))(w)
	due = slices.DeleteFunc(due, func(l storage.Logout) bool { return l.Tenant != h.tenant.ID })
	slices.SortFunc(due, func(a, b storage.Logout) int {
		return cmp.Compare(string(a.Session)+string(a.Client), string(b.Session)+string(b.Client))
	})
	return due
}

// signChanges has one case for each method that changes what is here.
var signChanges = map[string]change{
	"CreateUser": func(ctx context.Context, w *world, ev storage.Event) error {
		in := w.signIn(w.a)
		return w.a.CreateUser(ctx, in.User, []storage.Identity{in.Identity}, ev)
	},
	"InviteUser": func(ctx context.Context, w *world, ev storage.Event) error {
		in := w.signIn(w.a)
		in.User.Email = string(ev.ID) + "@acme.test"
		return w.a.InviteUser(ctx, in.User, []storage.Identity{in.Identity}, ev)
	},
	"RaiseSession": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.RaiseSession(ctx, w.a.session.ID, w.raise(w.a.session), ev)
	},
	"PutConnectionTest": func(ctx context.Context, w *world, ev storage.Event) error {
		trial := w.a.trial
		trial.Report = nil
		return w.a.PutConnectionTest(ctx, trial, ev)
	},
	"AddFactor": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.AddFactor(ctx, w.newPasskey(w.a), ev)
	},
	"RenameFactor": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.RenameFactor(ctx, w.a.user.ID, w.a.totp.ID, "renamed", ev)
	},
	"RemoveFactor": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.RemoveFactor(ctx, w.a.user.ID, w.a.totp.ID, ev)
	},
	"ReplaceRecoveryCodes": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.ReplaceRecoveryCodes(ctx, w.a.user.ID, newCodes(9), w.now, ev)
	},
	"UseRecoveryCode": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.UseRecoveryCode(ctx, w.a.user.ID, w.a.recovery[0], w.now, ev)
	},
	"CreateEmailLink": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.CreateEmailLink(ctx, w.newLink(w.a), w.newMail(w.a), ev)
	},
	"FinishLogout": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.FinishLogout(ctx, w.a.logout, "delivered", w.now, ev)
	},
}
