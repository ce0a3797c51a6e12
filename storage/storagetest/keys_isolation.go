package storagetest

import (
	"time"

	"github.com/watchgate/watchgate/storage"
)

// keyReaches has one case for each method that is about a tenant's API keys.
var keyReaches = map[string]reach{
	"CreateKey": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.CreateKey(w.Context(), w.create(other, w.newKey(other)), w.event("x"))
	}),
	"UpdateKey": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.UpdateKey(w.Context(), other.key, w.event("x"))
	}),
	"RotateKey": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.RotateKey(w.Context(), w.rotateKey(other, other.key), w.event("x"))
	}),
	"RevokeKey": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.RevokeKey(w.Context(), other.service.ID, w.now, "revoked", w.event("x"))
	}),
	"Key": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		k, err := own.Key(w.Context(), other.key.ID)
		return k.ID != "", err
	},
	"ListKeys": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		others, err := own.ListKeys(w.Context(), storage.KeyFilter{Owner: &other.user.ID, Limit: 1000})
		if err != nil || len(others) > 0 {
			return true, err
		}
		list, err := own.ListKeys(w.Context(), storage.KeyFilter{Limit: 1000})
		return has(list, func(k storage.APIKey) bool { return k.ID == other.key.ID }), err
	},
	"CountKeys": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		n, err := own.CountKeys(w.Context(), storage.KeyFilter{Owner: &other.user.ID})
		return n > 0, err
	},
	"MintUnderKey": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.MintUnderKey(w.Context(), w.mint(other.service), w.event("x"))
	}),
	"StartExecution": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.StartExecution(w.Context(), w.newExecution(other.service.ID), 9)
	}),
	"EndExecution": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.EndExecution(w.Context(), other.service.ID, other.execution.ID, w.now)
	}),
	"Executions": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		list, err := own.Executions(w.Context(), other.service.ID, all)
		return len(list) > 0, err
	},
	"Delivery": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		d, err := own.Delivery(w.Context(), other.old.ID)
		return d.Key != "", err
	},
	"TryDelivery": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.TryDelivery(w.Context(), other.delivery, w.now)
	}),
	"FinishDelivery": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.FinishDelivery(w.Context(), other.next.ID, w.now, w.event("x"))
	}),
	"WarnDelivery": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.WarnDelivery(w.Context(), other.next.ID, w.now, w.event("x"))
	}),
	"NoteKeyUses": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		use := other.use
		use.LastAt = use.LastAt.Add(time.Minute)
		if err := own.NoteKeyUses(w.Context(), []storage.KeyUse{use}); err != nil {
			return false, err
		}
		uses, err := own.KeyUsage(w.Context(), use.Key, time.Time{})
		return len(uses) > 0, err
	},
	"KeyUsage": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		uses, err := own.KeyUsage(w.Context(), other.key.ID, time.Time{})
		return len(uses) > 0, err
	},
	"BeginRequest": func(w *world, own storage.TenantStore, other *home) (bool, error) {
		stored, err := own.BeginRequest(w.Context(), other.request)
		return stored != nil, err
	},
	"FinishRequest": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.FinishRequest(w.Context(), other.request)
	}),
	"ForgetRequest": mutation(func(w *world, own storage.TenantStore, other *home) error {
		return own.ForgetRequest(w.Context(), other.request)
	}),
}
