package orgapi

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

const usersPath = "/v1/users"

// User is a person of the tenant.
type User struct {
	ID            string     `json:"id" example:"usr_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id."`
	Email         string     `json:"email,omitempty" example:"ada@acme.example" doc:"The address, as the identity provider says it."`
	EmailVerified bool       `json:"email_verified" doc:"Whether it is known to be theirs."`
	Name          string     `json:"name,omitempty" example:"Ada Lovelace" doc:"The name, as the identity provider says it."`
	Role          string     `json:"role" enum:"owner,admin,member,viewer" doc:"What they may do in the tenant."`
	Disabled      bool       `json:"disabled" doc:"Whether they are kept out."`
	DisabledAt    *time.Time `json:"disabled_at" nullable:"true" doc:"Since when; null: they are not."`
	CreatedAt     time.Time  `json:"created_at" doc:"When they were added."`
	Version       int64      `json:"version" doc:"Counts changes; the ETag carries it."`
}

// Person is a user with how they sign in.
type Person struct {
	User
	Connections   []string `json:"connections" nullable:"false" doc:"The connections through which they sign in."`
	Factors       []Factor `json:"factors" nullable:"false" doc:"Their second factors at this server."`
	RecoveryCodes int      `json:"recovery_codes" doc:"How many of their recovery codes are left."`
}

// Factor is a second factor of a person.
type Factor struct {
	Kind       string     `json:"kind" enum:"passkey,totp" doc:"A passkey, or an authenticator app."`
	Name       string     `json:"name" example:"Phone" doc:"What the person calls it."`
	CreatedAt  time.Time  `json:"created_at" doc:"When it was added."`
	LastUsedAt *time.Time `json:"last_used_at" nullable:"true" doc:"When it was last used; null: never."`
}

// Resource is a person's address and type in JSON-LD.
func (u User) Resource() (address, kind string) { return usersPath + "/" + u.ID, "User" }

func user(u storage.User) User {
	name, _ := u.Claims["name"].(string)
	return User{
		ID: string(u.ID), Email: u.Email, EmailVerified: u.EmailProved(), Name: name, Role: string(u.Role), Disabled: !u.DisabledAt.IsZero(),
		DisabledAt: moment(u.DisabledAt), CreatedAt: u.CreatedAt.UTC(), Version: u.Version,
	}
}

// personOutput answers with a person.
type personOutput struct {
	ETag string `header:"ETag" doc:"The version of the person, for If-Match."`
	Body Person
}

// UserPath is the part of an input that names a person.
type UserPath struct {
	ID string `path:"id" minLength:"1" maxLength:"64" example:"usr_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id of the person."`
}

func (p UserPath) id() storage.UserID { return storage.UserID(p.ID) }

type listUsers struct{ manage.Page }

func (a *API) listUsers(ctx context.Context, in *listUsers) (*manage.List[User], error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	store, id := a.cfg.Store.Tenant(c.Tenant), func(u storage.User) string { return string(u.ID) }
	return manage.Paginate(ctx, in.Page, manage.Source[storage.User]{
		Page: func(ctx context.Context, after string, limit int) ([]storage.User, error) {
			return store.PageUsers(ctx, storage.UserID(after), limit)
		},
		ID: id,
		Count: func(ctx context.Context) (int, error) {
			return counted(func(after string) ([]storage.User, error) {
				return store.PageUsers(ctx, storage.UserID(after), countStep)
			}, id)
		},
	}, user)
}

func (a *API) getUser(ctx context.Context, in *UserPath) (*personOutput, error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	u, err := a.cfg.Directory.User(ctx, c.tenant(), in.id())
	if err != nil {
		return nil, refusal(err)
	}
	return a.person(c, u)
}

// person describes somebody with how they sign in.
func (a *API) person(c caller, u storage.User) (*personOutput, error) {
	store := a.cfg.Store.Tenant(c.Tenant)
	ids, err := store.Identities(c, u.ID)
	if err != nil {
		return nil, refusal(err)
	}
	factors, err := store.ListFactors(c, u.ID)
	if err != nil {
		return nil, refusal(err)
	}
	out := Person{User: user(u), Connections: []string{}, Factors: []Factor{}}
	for _, i := range ids {
		out.Connections = append(out.Connections, string(i.Connection))
	}
	for _, f := range factors {
		out.Factors = append(out.Factors, Factor{Kind: string(f.Kind), Name: f.Name, CreatedAt: f.CreatedAt.UTC(), LastUsedAt: moment(f.LastUsedAt)})
	}
	if out.RecoveryCodes, err = store.CountRecoveryCodes(c, u.ID); err != nil {
		return nil, refusal(err)
	}
	return &personOutput{manage.ETag(u.Version), out}, nil
}

// Invitation is the body of a request for a person.
type Invitation struct {
	Email string `json:"email" minLength:"3" maxLength:"254" example:"grace@acme.example" doc:"Their e-mail address. It gets a link; they sign in by it and a passkey."`
	Role  string `json:"role,omitempty" enum:"owner,admin,member,viewer" example:"member" doc:"What they may do; absent: member."`
}

type inviteUser struct{ Body Invitation }

type invitedUser struct {
	Location string `header:"Location" doc:"Where the person is."`
	ETag     string `header:"ETag" doc:"The version of the person, for If-Match."`
	Body     Person
}

func (a *API) inviteUser(ctx context.Context, in *inviteUser) (*invitedUser, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	role := storage.RoleMember
	if in.Body.Role != "" {
		role = storage.Role(in.Body.Role)
	}
	if role == storage.RoleOwner && !c.owner() {
		return nil, forOwners()
	}
	by, err := a.cfg.Directory.User(c, c.tenant(), c.User)
	if err != nil {
		return nil, refusal(err)
	}
	u, err := a.cfg.Directory.InviteUser(c, c.tenant(), directory.Invitation{Email: in.Body.Email, Role: role, By: by.Email})
	if err != nil {
		return nil, refusal(err)
	}
	out, err := a.person(c, u)
	if err != nil {
		return nil, err
	}
	return &invitedUser{usersPath + "/" + string(u.ID), out.ETag, out.Body}, nil
}

// PatchUser is a JSON Merge Patch (RFC 7396) of a person.
type PatchUser struct {
	Role     manage.Optional[string] `json:"role,omitempty" nullable:"false" enum:"owner,admin,member,viewer" example:"admin" doc:"What they may do. Where the connection's provider says the role, it says it again at the next sign-in."`
	Disabled manage.Optional[bool]   `json:"disabled,omitempty" nullable:"false" doc:"true keeps them out, signs them out everywhere, and revokes what apps hold for them; their API keys are dead meanwhile."`
}

// fixedUser are the members of a person that nobody changes here.
var fixedUser = []string{"id", "email", "email_verified", "name", "disabled_at", "created_at", "version", "connections", "factors", "recovery_codes"}

type patchUser struct {
	UserPath
	manage.IfMatch
	Body PatchUser `contentType:"application/merge-patch+json"`
}

func (a *API) patchUser(ctx context.Context, in *patchUser) (*personOutput, error) {
	c, version, err := writerAt(ctx, in.IfMatch)
	if err != nil {
		return nil, err
	}
	was, err := a.touched(c, in.id())
	if err != nil {
		return nil, err
	}
	change, err := in.Body.change(c, was)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		version = was.Version // who may was decided on this one
	}
	u, err := a.cfg.Directory.ChangeUser(c, c.tenant(), in.id(), version, change)
	if err != nil {
		return nil, unmatched(in.IfMatch, err)
	}
	return a.person(c, u)
}

// touched finds a person whom the caller may change: owners are the owners' matter.
func (a *API) touched(c caller, id storage.UserID) (storage.User, error) {
	u, err := a.cfg.Directory.User(c, c.tenant(), id)
	switch {
	case err != nil:
		return u, refusal(err)
	case u.Role == storage.RoleOwner && !c.owner():
		return u, forOwners()
	}
	return u, nil
}

// change is the patch in the directory's words.
func (b PatchUser) change(c caller, was storage.User) (directory.UserChange, error) {
	var p patching
	role, disabled := string(was.Role), !was.DisabledAt.IsZero()
	must(&p, "role", b.Role, &role)
	must(&p, "disabled", b.Disabled, &disabled)
	if err := p.refuse(); err != nil {
		return directory.UserChange{}, err
	}
	if storage.Role(role) == storage.RoleOwner && !c.owner() {
		return directory.UserChange{}, forOwners()
	}
	return directory.UserChange{Role: (*storage.Role)(&role), Disabled: &disabled}, nil
}

// SessionsEnding is the body of a request to sign somebody out.
type SessionsEnding struct {
	OfflineAccess bool `json:"offline_access,omitempty" doc:"Whether apps lose what they hold for the person while nobody is signed in, too."`
}

type endSessions struct {
	UserPath
	Body *SessionsEnding
}

func (a *API) endSessions(ctx context.Context, in *endSessions) (*struct{}, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	apps := in.Body != nil && in.Body.OfflineAccess
	if apps { // signing in again does not bring it back
		if _, err := a.touched(c, in.id()); err != nil {
			return nil, err
		}
	}
	return nil, refusal(a.cfg.Directory.EndUserSessions(c, c.tenant(), in.id(), apps))
}

func (a *API) resetFactors(ctx context.Context, in *UserPath) (*struct{}, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := a.touched(c, in.id()); err != nil {
		return nil, err
	}
	return nil, refusal(a.cfg.Directory.ResetFactors(c, c.tenant(), in.id()))
}
