package keyapi

import (
	"context"
	"strings"

	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

type listInput struct {
	manage.Page
	Owner   string `query:"owner" maxLength:"64" example:"me" doc:"Whose keys: me, the id of a person (usr_...), or none for those that belong to the tenant alone. Absent: all that you may see."`
	Profile string `query:"profile" maxLength:"64" example:"live" doc:"Of which profile; absent: any."`
	State   string `query:"state" enum:"live,expired,revoked,all" default:"live" doc:"In which state. A key in quarantine is among the live ones: it has neither ended nor been revoked."`
}

func (a *API) list(ctx context.Context, in *listInput) (*manage.List[Key], error) {
	who := actor(ctx)
	f, err := a.filter(in, who.User)
	if err != nil {
		return nil, err
	}
	return manage.Paginate(ctx, in.Page, manage.Source[storage.APIKey]{
		Page: func(ctx context.Context, after string, limit int) ([]storage.APIKey, error) {
			f.After, f.Limit = storage.KeyID(after), limit
			keys, err := a.cfg.Keys.List(ctx, who, f)
			return keys, refusal(err)
		},
		ID: func(k storage.APIKey) string { return string(k.ID) },
		Count: func(ctx context.Context) (int, error) {
			f.After, f.Limit = "", 1
			n, err := a.cfg.Keys.Count(ctx, who, f)
			return n, refusal(err)
		},
	}, func(k storage.APIKey) Key { return a.key(k, f.Now) })
}

// filter is what is asked for in the store's words.
func (a *API) filter(in *listInput, me storage.UserID) (storage.KeyFilter, error) {
	f := storage.KeyFilter{Profile: in.Profile, State: in.State, Now: a.cfg.Now()}
	if f.State == "all" {
		f.State = ""
	}
	owner := storage.UserID(in.Owner)
	switch {
	case in.Owner == "":
		return f, nil
	case in.Owner == "none":
		owner = ""
	case in.Owner == "me" && me == "":
		return f, wrongOwner("You are no person: your keys are those of nobody, owner=none.")
	case in.Owner == "me":
		owner = me
	case !strings.HasPrefix(in.Owner, "usr_"):
		return f, wrongOwner("This is none of me, none and the id of a person (usr_...).")
	}
	f.Owner = &owner
	return f, nil
}

func wrongOwner(why string) error {
	return manage.Refuse(manage.InvalidRequest, "", manage.Field{Field: "owner", In: "query", Detail: why})
}
