package orgapi

import (
	"context"
	"slices"
	"time"

	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

const sessionsPath = "/v1/sessions"

// Session is a signed-in browser.
type Session struct {
	ID         string     `json:"id" example:"ses_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id. It never works as a credential."`
	User       string     `json:"user" example:"usr_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"Who is signed in."`
	Connection string     `json:"connection" doc:"Through what."`
	IP         string     `json:"ip,omitempty" example:"203.0.113.7" doc:"From where they signed in."`
	UserAgent  string     `json:"user_agent,omitempty" doc:"With what, as it says."`
	Level      string     `json:"level" enum:"none,mfa,phr" doc:"What was proved of second factors."`
	AMR        []string   `json:"amr" nullable:"false" doc:"How they signed in (RFC 8176)."`
	Pending    bool       `json:"pending" doc:"Whether a second factor is still missing: nobody is signed in by it."`
	AuthTime   *time.Time `json:"auth_time" nullable:"true" doc:"When the identity provider authenticated them; null: it does not say."`
	CreatedAt  time.Time  `json:"created_at" doc:"When they signed in."`
	LastSeenAt time.Time  `json:"last_seen_at" doc:"When they were last here."`
	ExpiresAt  time.Time  `json:"expires_at" doc:"When it is over at the latest."`
}

// Resource is a session's address and type in JSON-LD.
func (s Session) Resource() (address, kind string) { return sessionsPath + "/" + s.ID, "Session" }

func session(s storage.Session) Session {
	return Session{
		ID: string(s.ID), User: string(s.User), Connection: string(s.Connection), IP: s.IP, UserAgent: s.UserAgent, Level: levelName(s.Level), AMR: listed(s.AMR),
		Pending: s.Pending, AuthTime: moment(s.AuthTime), CreatedAt: s.CreatedAt.UTC(), LastSeenAt: s.LastSeenAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(),
	}
}

// levelName is a level on the wire.
func levelName(l storage.Level) string {
	if l == storage.LevelNone {
		return none
	}
	return string(l)
}

type listSessions struct {
	manage.Page
	User string `query:"user" maxLength:"64" doc:"Whose; absent: everybody's."`
}

func (a *API) listSessions(ctx context.Context, in *listSessions) (*manage.List[Session], error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	store, now := a.cfg.Store.Tenant(c.Tenant), a.cfg.Now()
	page := func(ctx context.Context, after string, limit int) ([]storage.Session, error) {
		if in.User == "" {
			return store.PageSessions(ctx, storage.SessionID(after), limit, now)
		}
		all, err := store.ListSessions(ctx, storage.UserID(in.User), now)
		return older(all, storage.SessionID(after), limit), err
	}
	id := func(s storage.Session) string { return string(s.ID) }
	return manage.Paginate(ctx, in.Page, manage.Source[storage.Session]{
		Page: page, ID: id,
		Count: func(ctx context.Context) (int, error) {
			return counted(func(after string) ([]storage.Session, error) { return page(ctx, after, countStep) }, id)
		},
	}, session)
}

// older are at most limit of one person's sessions, newest first, that are older than
// one.
func older(all []storage.Session, than storage.SessionID, limit int) []storage.Session {
	slices.SortFunc(all, func(a, b storage.Session) int {
		if a.ID > b.ID {
			return -1
		}
		return 1
	})
	for than != "" && len(all) > 0 && all[0].ID >= than {
		all = all[1:]
	}
	return all[:min(limit, len(all))]
}

type sessionPath struct {
	ID string `path:"id" minLength:"1" maxLength:"64" example:"ses_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id of the session."`
}

func (a *API) endSession(ctx context.Context, in *sessionPath) (*struct{}, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	return nil, refusal(a.cfg.Directory.EndSession(c, c.tenant(), storage.SessionID(in.ID)))
}
