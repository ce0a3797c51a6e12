package main

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/storage"
)

type userCmd struct {
	List         userList   `cmd:"" help:"List a tenant's people."`
	Invite       userInvite `cmd:"" help:"Let somebody in who has no identity provider: they get a link, and sign in by passkey."`
	SetRole      userRole   `cmd:"" help:"Give a person another role. Where a claim of their provider says it, it is back at the next sign-in."`
	Disable      userSwitch `cmd:"" help:"Shut a person out: every session, token and app of theirs is dead at once."`
	Enable       userSwitch `cmd:"" help:"Let a disabled person in again."`
	SignOut      userOut    `cmd:"" help:"End every session of a person."`
	ResetFactors userReset  `cmd:"" help:"Forget a person's passkeys, authenticator apps and recovery codes, for who has lost them."`
}

type userList struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
}

func (c *userList) do(ctx context.Context, ops operators) (report, error) {
	all, err := ops.directory.Users(ctx, c.Tenant)
	r := report{Columns: []string{"id", "email", "role", "since", "state"}}
	for _, u := range all {
		r.Rows = append(r.Rows, []string{string(u.ID), u.Email, string(u.Role), date(u.CreatedAt), state(u.DisabledAt, "disabled")})
	}
	return r, err
}

type userInvite struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	Email  string `arg:"" help:"Their e-mail address."`
	Role   string `help:"owner, admin, member or viewer; member when absent." default:"member" placeholder:"ROLE"`
}

func (c *userInvite) do(ctx context.Context, ops operators) (report, error) {
	u, err := ops.directory.InviteUser(ctx, c.Tenant, directory.Invitation{Email: c.Email, Role: storage.Role(c.Role)})
	return said("An invitation goes to %s. The link in it works for 7 days. They are %s.", u.Email, u.ID), err
}

// person is a person on the command line: by id or by address.
type person struct {
	Tenant string `arg:"" help:"The tenant's slug or id."`
	Person string `arg:"" help:"Their id (usr_...) or e-mail address."`
}

// find returns the person's id.
func (p person) find(ctx context.Context, ops operators) (storage.UserID, error) {
	if !strings.Contains(p.Person, "@") {
		return storage.UserID(p.Person), nil
	}
	u, err := ops.directory.UserByEmail(ctx, p.Tenant, p.Person)
	return u.ID, err
}

type userRole struct {
	target `json:"-"`
	person
	Role string `arg:"" help:"owner, admin, member or viewer."`
}

func (c *userRole) do(ctx context.Context, ops operators) (report, error) {
	id, err := c.find(ctx, ops)
	if err != nil {
		return report{}, err
	}
	role := storage.Role(c.Role)
	_, err = ops.directory.ChangeUser(ctx, c.Tenant, id, 0, directory.UserChange{Role: &role})
	return said("%s has the role %s.", c.Person, c.Role), err
}

type userSwitch struct {
	target `json:"-"`
	person
	on bool
}

func (c *userSwitch) do(ctx context.Context, ops operators) (report, error) {
	id, err := c.find(ctx, ops)
	if err != nil {
		return report{}, err
	}
	off := !c.on
	_, err = ops.directory.ChangeUser(ctx, c.Tenant, id, 0, directory.UserChange{Disabled: &off})
	if c.on {
		return said("%s may sign in again.", c.Person), err
	}
	return said("%s is out: no session, token or key of theirs is good any more.", c.Person), err
}

type userOut struct {
	target `json:"-"`
	person
	Apps bool `help:"Take away what apps may do for them while they are away, too (offline access)."`
}

func (c *userOut) do(ctx context.Context, ops operators) (report, error) {
	id, err := c.find(ctx, ops)
	if err != nil {
		return report{}, err
	}
	return said("%s is signed out everywhere.", c.Person), ops.directory.EndUserSessions(ctx, c.Tenant, id, c.Apps)
}

type userReset struct {
	target `json:"-"`
	person
}

func (c *userReset) do(ctx context.Context, ops operators) (report, error) {
	id, err := c.find(ctx, ops)
	if err != nil {
		return report{}, err
	}
	return said("%s has no second factor any more, is signed out, and enrols anew at the next sign-in.", c.Person), ops.directory.ResetFactors(ctx, c.Tenant, id)
}

type sessionCmd struct {
	List sessionList `cmd:"" help:"List who is signed in to a tenant: when, from where, through what."`
	End  sessionEnd  `cmd:"" help:"End one session, and what hangs on it."`
}

type sessionList struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
}

// maxListed bounds a list on the terminal.
const maxListed = 500

func (c *sessionList) do(ctx context.Context, ops operators) (report, error) {
	t, err := ops.directory.Tenant(ctx, c.Tenant)
	if err != nil {
		return report{}, err
	}
	store := ops.store.Tenant(t.ID)
	all, err := store.PageSessions(ctx, "", maxListed, now())
	if err != nil {
		return report{}, err
	}
	r := report{Columns: []string{"id", "person", "email", "since", "last seen", "address", "second factor", "connection"}}
	emails := map[storage.UserID]string{}
	for _, s := range all {
		if _, known := emails[s.User]; !known {
			u, err := store.User(ctx, s.User)
			if err != nil {
				return report{}, err
			}
			emails[s.User] = u.Email
		}
		r.Rows = append(r.Rows, []string{
			string(s.ID), string(s.User), emails[s.User], s.CreatedAt.UTC().Format(time.RFC3339), s.LastSeenAt.UTC().Format(time.RFC3339), s.IP, factorOf(s), string(s.Connection),
		})
	}
	if len(all) == maxListed {
		r.Note = "There are more. The API lists all of them, page by page: GET /v1/sessions."
	}
	return r, nil
}

// factorOf is what a session has proved of second factors.
func factorOf(s storage.Session) string {
	if s.Pending {
		return "still missing"
	}
	return cmp.Or(string(s.Level), "none")
}

type sessionEnd struct {
	target `json:"-"`
	Tenant string `arg:"" help:"The tenant's slug or id."`
	ID     string `arg:"" help:"The session's id (ses_...)."`
}

func (c *sessionEnd) do(ctx context.Context, ops operators) (report, error) {
	return said("The session %s has ended, and the tokens that hung on it are dead.", c.ID), ops.directory.EndSession(ctx, c.Tenant, storage.SessionID(c.ID))
}
