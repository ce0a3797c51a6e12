package storagetest

import (
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// signReaches has one case for each method that is about how people sign in and out.
var signReaches = map[string]reach{
	"CreateUser": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.CreateUser(w.Context(), storage.User{ID: storage.NewUserID(w.now)}, []storage.Identity{other.identity}, w.event("x"))
	}),
	"InviteUser": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.InviteUser(w.Context(), storage.User{ID: storage.NewUserID(w.now)}, []storage.Identity{other.identity}, w.event("x"))
	}),
	"UsersByEmail": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		users, err := own.UsersByEmail(w.Context(), other.user.Email)
		return has(users, func(u storage.User) bool { return u.ID == other.user.ID }), err
	},
	"Identities": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.Identities(w.Context(), other.user.ID)
		return len(list) > 0, err
	},
	"PageUsers": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		users, err := own.PageUsers(w.Context(), "", all)
		return has(users, func(u storage.User) bool { return u.ID == other.user.ID }), err
	},
	"Owners": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		users, err := own.Owners(w.Context())
		return has(users, func(u storage.User) bool { return u.ID == other.user.ID }), err
	},
	"RaiseSession": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.RaiseSession(w.Context(), other.session.ID, w.raise(other.session), w.event("x"))
	}),
	"EndSessions": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		ended, err := own.EndSessions(w.Context(), storage.EndSessions{User: other.user.ID, Grants: true}, w.now, w.event("x"))
		return len(ended) > 0, err
	},
	"Session": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		s, err := own.Session(w.Context(), other.session.ID)
		return s.ID != "", err
	},
	"PageSessions": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.PageSessions(w.Context(), "", all, w.now)
		return has(list, func(s storage.Session) bool { return s.ID == other.session.ID }), err
	},
	"UserByUpstreamSID": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		u, err := own.UserByUpstreamSID(w.Context(), other.connection.ID, other.session.UpstreamSID)
		return u != "", err
	},
	"TryLogout": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.TryLogout(w.Context(), other.logout, w.now.Add(time.Hour))
	}),
	"FinishLogout": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.FinishLogout(w.Context(), other.logout, "delivered", w.now, w.event("x"))
	}),
	"PutConnectionTest": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.PutConnectionTest(w.Context(), other.trial, w.event("x"))
	}),
	"ConnectionTest": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		c, err := own.ConnectionTest(w.Context(), other.trial.ID, w.now)
		return c.ID != "", err
	},
	"AddFactor": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.AddFactor(w.Context(), other.passkey, w.event("x"))
	}),
	"RenameFactor": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.RenameFactor(w.Context(), other.user.ID, other.totp.ID, "mine", w.event("x"))
	}),
	"ResealFactor": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.ResealFactor(w.Context(), other.totp, []byte{1})
	}),
	"RemoveFactor": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.RemoveFactor(w.Context(), other.user.ID, other.passkey.ID, w.event("x"))
	}),
	"UseFactor": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.UseFactor(w.Context(), other.passkey)
	}),
	"ListFactors": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.ListFactors(w.Context(), other.user.ID)
		return len(list) > 0, err
	},
	"FactorByCredential": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		f, err := own.FactorByCredential(w.Context(), other.passkey.CredentialID)
		return f.ID != "", err
	},
	"ReplaceRecoveryCodes": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.ReplaceRecoveryCodes(w.Context(), other.user.ID, newCodes(3), w.now, w.event("x"))
	}),
	"UseRecoveryCode": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.UseRecoveryCode(w.Context(), other.user.ID, other.recovery[0], w.now, w.event("x"))
	}),
	"CountRecoveryCodes": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		n, err := own.CountRecoveryCodes(w.Context(), other.user.ID)
		return n > 0, err
	},
	"TakeTry": mutation(func(w *world, own storage.TenantStore, other *home) error {
		_, err := own.TakeTry(w.Context(), other.user.ID, 1, time.Hour, w.now)
		return err
	}),
	"ClearTries": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.ClearTries(w.Context(), other.user.ID)
	}),
	"CreateEmailLink": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.CreateEmailLink(w.Context(), other.link, other.mail, w.event("x"))
	}),
	"EmailLink": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		l, err := own.EmailLink(w.Context(), other.link.Hash, w.now)
		return l.User != "", err
	},
	"UseEmailLink": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.UseEmailLink(w.Context(), other.link.Hash, w.now)
	}),
	"QueueMail": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.QueueMail(w.Context(), other.mail)
	}),
	"Mail": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		m, err := own.Mail(w.Context(), other.mail.ID)
		return m.ID != "", err
	},
	"TryMail": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.TryMail(w.Context(), other.mail, w.now.Add(time.Hour))
	}),
	"FinishMail": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.FinishMail(w.Context(), other.mail.ID, "sent", w.now)
	}),
	// What one tenant has seen is new to another.
	"Once": mutation(func(w *world, own storage.TenantStore, other *home) error {
		id := token.NewSecret()
		if other.TenantStore != nil {
			w.must(other.Once(w.Context(), "logout", id, w.now.Add(time.Hour)))
		}
		return own.Once(w.Context(), "logout", id, w.now.Add(time.Hour))
	}),
}
