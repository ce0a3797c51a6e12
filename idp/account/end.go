package account

import (
	"errors"
	"net/http"
	"slices"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// ending finds the session that a path names, among the person's own. False: it is the
// present one, and an answer was written that leads to the sign-out.
func (p *Pages) ending(v visit) (storage.Session, bool, error) {
	id := storage.SessionID(v.r.PathValue("session"))
	if id == v.live.ID {
		http.Redirect(v.w, v.r, p.path+"/oauth2/logout", http.StatusSeeOther)
		return storage.Session{}, false, nil
	}
	others, err := p.others(v)
	if err != nil {
		return storage.Session{}, false, err
	}
	i := slices.IndexFunc(others, func(s storage.Session) bool { return s.ID == id })
	if i < 0 {
		return storage.Session{}, false, unknown(nil)
	}
	return others[i], true, nil
}

// askEnd asks before a session ends.
func (p *Pages) askEnd(v visit) error {
	s, ok, err := p.ending(v)
	if !ok {
		return err
	}
	names, err := p.connections(v)
	if err != nil {
		return err
	}
	proof, err := p.toEndSessions(v)
	if err != nil {
		return err
	}
	apps, err := p.within(v, s.ID)
	if err != nil {
		return err
	}
	p.mayLeave(v.w)
	html(v.w)
	return templates.AccountEnd(v.w, templates.AccountEndPage{
		AccountFrame: p.frame(v, ""), Action: p.at(v, "sessions", string(s.ID)), CancelURL: p.at(v, "sessions"),
		Prove: proof.missing(v.live.Session), Session: p.session(v, s, names), Apps: apps,
	})
}

// end ends one of the person's other sessions, and what hangs on it. One that has ended
// meanwhile is no error.
func (p *Pages) end(v visit, fields web.Form) error {
	s, ok, err := p.ending(v)
	if !ok {
		return err
	}
	proof, err := p.toEndSessions(v)
	if err != nil {
		return err
	}
	if ok, err := p.proven(v, fields, proof, p.at(v, "sessions", string(s.ID))); !ok {
		return err
	}
	ctx, now := v.r.Context(), p.now()
	err = p.tenant(v).EndSession(ctx, s.ID, now, audit.SignedOut(ctx, now, v.live.User, s.ID, audit.ActorUser))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return away(err)
	}
	return p.done(v, p.at(v, "sessions"), "ended")
}

// askEndOthers asks before all sessions end but the present one.
func (p *Pages) askEndOthers(v visit) error {
	others, err := p.others(v)
	if err != nil {
		return err
	}
	if len(others) == 0 {
		return p.done(v, p.at(v, "sessions"), "")
	}
	proof, err := p.toEndSessions(v)
	if err != nil {
		return err
	}
	e := templates.AccountEndOthersPage{
		AccountFrame: p.frame(v, ""), Action: p.at(v, "sessions", "others"), CancelURL: p.at(v, "sessions"), Prove: proof.missing(v.live.Session),
	}
	for _, s := range others {
		e.Sessions = append(e.Sessions, p.session(v, s, nil))
	}
	p.mayLeave(v.w)
	html(v.w)
	return templates.AccountEndOthers(v.w, e)
}

// endOthers ends them, also those that were begun after the page was shown, and tells
// the person.
func (p *Pages) endOthers(v visit, fields web.Form) error {
	proof, err := p.toEndSessions(v)
	if err != nil {
		return err
	}
	if ok, err := p.proven(v, fields, proof, p.at(v, "sessions", "others")); !ok {
		return err
	}
	ctx, now := v.r.Context(), p.now()
	ended, err := p.tenant(v).EndSessions(ctx, storage.EndSessions{User: v.live.User, Except: v.live.ID}, now,
		audit.SessionsEnded(ctx, now, v.live.User, audit.ActorUser, ""))
	if err != nil {
		return away(err)
	}
	if len(ended) > 0 {
		if err := p.tell(v, mail.SessionsEnded, map[string]string{"others": "yes"}); err != nil {
			return err
		}
	}
	return p.done(v, p.at(v, "sessions"), "others_ended")
}
