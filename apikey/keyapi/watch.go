package keyapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

type eventsInput struct {
	KeyPath
	// LastEventID is read by nobody: every stream begins with how things are.
	LastEventID string `header:"Last-Event-ID" maxLength:"64" doc:"Sent by browsers that connect again. Every stream begins with the state of the key, so that nothing is missed."`
}

func (a *API) events(ctx context.Context, in *eventsInput) (*manage.Events, error) {
	p := manage.PrincipalFrom(ctx)
	changed := a.watch(p.Tenant, in.key()) // before the key is read: nothing is missed between the two
	k, err := a.cfg.Keys.Get(ctx, actorOf(p), in.key())
	if err != nil {
		return nil, refusal(err)
	}
	if err := a.seats.take(ctx, p, k.ID); err != nil {
		return nil, err
	}
	l := a.listener(ctx, k.ID)
	return manage.Stream(func(ctx context.Context, send func(manage.Event) error) error {
		beats, stop := a.cfg.Ticker(beat)
		defer stop()
		s := &stream{
			id: k.ID, now: a.cfg.Now, changed: changed, entitled: l.entitled,
			read: func(ctx context.Context) (*storage.LiveKey, error) { return a.cfg.Finder.FindKey(ctx, k.Hash) },
			send: func(e Event) error { return send(wire(e)) },
		}
		return s.run(ctx, beats)
	}), nil
}

// wire is an event as the frame sends it.
func wire(e Event) manage.Event {
	out := manage.Event{Name: string(e.Kind), Data: e}
	if e.Version > 0 {
		out.ID = strconv.FormatInt(e.Version, 10)
	}
	return out
}

func (a *API) watch(tenant storage.TenantID, id storage.KeyID) func() bool {
	if a.cfg.Watch == nil {
		return nil
	}
	return a.cfg.Watch.Changed(tenant, id)
}

// listener is who opened a stream.
type listener struct {
	api *API
	who manage.Principal
	key storage.KeyID // that they listen to
	// presented is looked at again while the stream is open.
	presented manage.Credential
	// sure is when it was last seen to be good for listening.
	sure time.Time
}

// listener is who sent the request, which was accepted a moment ago.
func (a *API) listener(ctx context.Context, key storage.KeyID) *listener {
	l := &listener{api: a, who: manage.PrincipalFrom(ctx), key: key, presented: manage.CredentialFrom(ctx), sure: a.cfg.Now()}
	l.presented.Again = true
	return l
}

// entitled reports whether they may listen still. A key that listens to itself ends
// with what the stream is about; any other is looked up as keys are, which costs its
// rate nothing; a token is asked about like that of any request.
func (l *listener) entitled(ctx context.Context) (bool, error) {
	if l.who.Secret == "" {
		return l.tokenEntitled(ctx)
	}
	k, err := l.api.cfg.Finder.FindKey(ctx, sha256.Sum256([]byte(l.who.Secret)))
	if err != nil || k == nil || k.Dead(l.api.cfg.Now()) != "" {
		return false, err
	}
	if l.who.Key == l.key {
		return true, nil
	}
	scopes := l.api.cfg.Catalogue.Effective(k.Scopes, k.UserInfo.Role)
	return l.sees(ctx, scopes, k.UserInfo.Role)
}

// tokenEntitled asks about a token. One that is over its rate is live; what it is good
// for was not said, so that what was known is believed for a while, and then the
// stream ends. It does not say unknown: the state of the key is known.
func (l *listener) tokenEntitled(ctx context.Context) (bool, error) {
	p, err := l.api.cfg.Auth.Authenticate(ctx, l.presented)
	switch {
	case errors.Is(err, manage.ErrInactive):
		return false, nil
	case overRate(err):
		return l.api.cfg.Now().Sub(l.sure) < patience, nil
	case err != nil:
		return false, err
	}
	l.sure = l.api.cfg.Now()
	return l.sees(ctx, p.Scopes, p.Role)
}

func overRate(err error) bool {
	var e *web.Error
	return errors.As(err, &e) && e.Status == http.StatusTooManyRequests
}

// sees reports whether somebody with these scopes and this role may see the key. What
// the scopes and the role were when the stream was opened was decided then.
func (l *listener) sees(ctx context.Context, scopes []string, role storage.Role) (bool, error) {
	if !slices.Contains(scopes, ScopeRead) || role == l.who.Role {
		return slices.Contains(scopes, ScopeRead), nil
	}
	who := actorOf(l.who)
	who.Scopes, who.Role = scopes, role
	_, err := l.api.cfg.Keys.Get(ctx, who, l.key)
	var refused *apikey.Refusal
	if errors.As(err, &refused) {
		return false, nil
	}
	return err == nil, err
}
