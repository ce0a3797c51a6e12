package orgapi

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/manage"
)

// SecretRotation is the body of a request about a connection's client secret.
type SecretRotation struct {
	ClientSecret string    `json:"client_secret,omitempty" minLength:"1" maxLength:"1024" example:"the-new-secret-of-the-provider" doc:"The secret that comes next. Until it is promoted, both are tried."`
	ExpiresAt    time.Time `json:"expires_at,omitzero" doc:"When it ends at the provider: the owners are told in time. Absent: it is not known."`
	Promote      bool      `json:"promote,omitempty" doc:"Whether the secret that was added shall be the only one. Not together with client_secret."`
}

type rotateSecret struct {
	ConnectionPath
	manage.IfMatch
	Body SecretRotation
}

func (a *API) rotateSecret(ctx context.Context, in *rotateSecret) (*connectionOutput, error) {
	c, version, err := writerAt(ctx, in.IfMatch)
	if err != nil {
		return nil, err
	}
	con, err := a.cfg.Directory.Connection(ctx, c.tenant(), in.id())
	if err != nil {
		return nil, refusal(err)
	}
	if err := a.mayTouch(c, con); err != nil {
		return nil, err
	}
	if version == 0 {
		version = con.Version // who may was decided on this one
	}
	if in.Body.Promote {
		if in.Body.ClientSecret != "" || !in.Body.ExpiresAt.IsZero() {
			return nil, wrong("promote", "Add a secret, or promote the one that was added, not both.")
		}
		con, err = a.cfg.Directory.PromoteSecret(c, c.tenant(), in.id(), version)
		if err != nil {
			return nil, unmatched(in.IfMatch, err)
		}
		return a.found(c, con), nil
	}
	con, err = a.cfg.Directory.RotateSecret(c, c.tenant(), in.id(), version, directory.NextSecret{Secret: in.Body.ClientSecret, ExpiresAt: in.Body.ExpiresAt})
	if err != nil {
		return nil, unmatched(in.IfMatch, err)
	}
	return a.found(c, con), nil
}
