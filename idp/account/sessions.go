package account

import (
	"slices"

	"github.com/watchgate/watchgate/internal/device"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// sessions shows where somebody is signed in at the tenant, the present session first.
func (p *Pages) sessions(v visit) error {
	others, err := p.others(v)
	if err != nil {
		return err
	}
	names, err := p.connections(v)
	if err != nil {
		return err
	}
	s := templates.AccountSessionsPage{AccountFrame: p.frame(v, templates.AccountTabSessions)}
	for _, one := range append([]storage.Session{v.live.Session}, others...) {
		s.Sessions = append(s.Sessions, p.session(v, one, names))
	}
	if len(others) > 0 {
		s.EndOthersURL = p.at(v, "sessions", "others")
	}
	html(v.w)
	return templates.AccountSessions(v.w, s)
}

// others are the person's sessions but for the present one, newest first.
func (p *Pages) others(v visit) ([]storage.Session, error) {
	all, err := p.tenant(v).ListSessions(v.r.Context(), v.live.User, p.now())
	if err != nil {
		return nil, away(err)
	}
	return slices.DeleteFunc(all, func(s storage.Session) bool { return s.ID == v.live.ID }), nil
}

// connections are the names of the tenant's.
func (p *Pages) connections(v visit) (map[storage.ConnectionID]string, error) {
	all, err := p.tenant(v).ListConnections(v.r.Context())
	if err != nil {
		return nil, away(err)
	}
	names := map[storage.ConnectionID]string{}
	for _, c := range all {
		names[c.ID] = c.Name
	}
	return names, nil
}

// session is one as people read it.
func (p *Pages) session(v visit, s storage.Session, names map[storage.ConnectionID]string) templates.AccountSession {
	now := p.now()
	shown := templates.AccountSession{
		Device: device.Name(s.UserAgent), Place: p.cfg.Places.Of(s.IP), IP: s.IP, Connection: names[s.Connection],
		Level: string(s.Level), Pending: s.Pending, Present: s.ID == v.live.ID,
		SignedIn: templates.NewAccountMoment(s.CreatedAt, now), Seen: templates.NewAccountMoment(s.LastSeenAt, now),
		EndURL: p.at(v, "sessions", string(s.ID)),
	}
	if shown.Present {
		shown.EndURL = p.path + "/oauth2/logout"
	}
	return shown
}
