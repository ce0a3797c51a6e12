package apikey

import (
	"context"
	"errors"
	"log/slog"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/storage"
)

func refuse(code Code, detail string) *Refusal { return &Refusal{Code: code, Detail: detail} }

func unknown() *Refusal { return refuse(NotFound, "There is no such key.") }

func over() *Refusal { return refuse(Gone, "The key has ended.") }

func wrong(field, detail string) *Refusal {
	return &Refusal{Code: Invalid, Detail: "A field is not right.", Fields: []FieldError{{field, detail}}}
}

// recorded are the refusals that the trail keeps: somebody wanted what they may not
// have. The others are mistakes.
var recorded = map[Code]bool{
	Forbidden: true, ScopeTooWide: true, LifetimeTooLong: true, TooMany: true, EmailUnverified: true,
	MFANeeded: true, FreshNeeded: true, NotAllowed: true, TenantSuspended: true,
}

// refused keeps a refusal in the trail: of the same from the same place one a minute.
// It returns err as it is.
func (k *Keys) refused(ctx context.Context, a Actor, id storage.KeyID, what string, err error) error {
	var r *Refusal
	if !errors.As(err, &r) || !recorded[r.Code] {
		return err
	}
	now := k.now()
	if !k.refusals.Allow(ctx, now, string(a.Tenant), what+" "+string(r.Code)+" "+string(a.User)+string(a.Client)+string(a.Key)) {
		return err
	}
	ev := audit.KeyRefused(ctx, now, id, what, string(r.Code), a.by())
	if lost := k.tenant(a).AppendEvent(ctx, ev); lost != nil {
		k.cfg.Log.ErrorContext(ctx, "a refusal is missing in the audit trail", slog.String("event", string(ev.ID)), slog.Any("err", lost))
	}
	return err
}
