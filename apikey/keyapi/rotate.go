package keyapi

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// issuedOutput answers with a secret.
type issuedOutput struct {
	Location string `header:"Location" doc:"Where the key is."`
	ETag     string `header:"ETag" doc:"The version of the key."`
	Body     Issued
}

// told answers with a key that was just made.
func (a *API) told(made apikey.Issued, err error) (*issuedOutput, error) {
	if err != nil {
		return nil, refusal(err)
	}
	return &issuedOutput{Location: path + "/" + string(made.Key.ID), ETag: manage.ETag(made.Key.Version), Body: a.issued(made)}, nil
}

// Rotation is the body of a request for a successor.
type Rotation struct {
	Grace string `json:"grace,omitempty" minLength:"1" maxLength:"32" example:"72h" doc:"How long the old key works beside the new one: 72h, 3d; 0s ends it at once. Absent: as its profile has it."`
}

type rotateInput struct {
	KeyPath
	Body *Rotation
}

func (a *API) rotate(ctx context.Context, in *rotateInput) (*issuedOutput, error) {
	var grace *time.Duration
	if in.Body != nil && in.Body.Grace != "" {
		d, err := apikey.ParseAge(in.Body.Grace)
		if err != nil {
			return nil, manage.Refuse(manage.Invalid, "", manage.Field{Field: "grace", Detail: "This is no length of time: write 72h, 3d or 0s."})
		}
		grace = &d
	}
	return a.told(a.cfg.Keys.Rotate(ctx, actor(ctx), in.key(), grace))
}

func (a *API) successor(ctx context.Context, in *KeyPath) (*issuedOutput, error) {
	who := actor(ctx)
	if who.Key == "" || who.Key != in.key() {
		return nil, a.notItself(ctx, who, in.key())
	}
	return a.told(a.cfg.Keys.Successor(ctx, who))
}

// notItself refuses what only the key itself may ask for. Who may not see the key is
// told that there is none.
func (a *API) notItself(ctx context.Context, who apikey.Actor, id storage.KeyID) error {
	if _, err := a.cfg.Keys.Get(ctx, who, id); err != nil {
		return refusal(err)
	}
	return manage.Refuse(manage.Forbidden, "The old key itself has to ask for its successor.")
}

type revealOutput struct {
	Body Revealed
}

// Revealed is the secret of a key that is shown again.
type Revealed struct {
	ID     string `json:"id" doc:"The key."`
	Secret string `json:"secret" doc:"The key itself."`
}

func (a *API) reveal(ctx context.Context, in *KeyPath) (*revealOutput, error) {
	secret, err := a.cfg.Keys.Reveal(ctx, actor(ctx), in.key())
	if err != nil {
		return nil, refusal(err)
	}
	return &revealOutput{Body: Revealed{ID: in.ID, Secret: secret}}, nil
}
