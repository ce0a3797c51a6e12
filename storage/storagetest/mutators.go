package storagetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// unrecorded are the changes that leave no audit event, each with the reason. Nodes
// are told of none of them either: no answer hangs on what they change.
var unrecorded = map[string]string{
	"BeginLogin":     "a login transaction is the state of a page; what comes of it is recorded",
	"AdvanceLogin":   "as BeginLogin",
	"TouchSession":   "activity is no security decision",
	"StartExecution": "work that is registered; what it does is recorded elsewhere, and its end with the key's",
	"EndExecution":   "as StartExecution",
	"TryDelivery":    "an attempt; its outcome is recorded",
	"NoteKeyUses":    "counts, and decides nothing",
	"FinishRequest":  "an answer is kept; what was answered is recorded",
	"ForgetRequest":  "nothing was done",
	"UseFactor":      "a proof; the session that it raises is recorded",
	"ResealFactor":   "the same secret under another key",
	"TakeTry":        "counts before anything is looked at; what is refused is recorded",
	"ClearTries":     "as TakeTry",
	"UseEmailLink":   "what the person does by it is recorded",
	"QueueMail":      "a mail that waits; what it is about is recorded",
	"TryMail":        "an attempt",
	"FinishMail":     "how a mail ended decides nothing",
	"Once":           "what was presented is recorded",
	"TryLogout":      "an attempt; its outcome is recorded",
	"Prepare":        "makes room, changes nothing",
	"Ping":           "changes nothing",
	"Close":          "changes nothing",
}

// change is one call that changes something, with the event that records it.
type change func(ctx context.Context, w *world, ev storage.Event) error

// platformChanges and tenantChanges have one case for each method.
var platformChanges = map[string]change{
	"CreateTenant": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.store.CreateTenant(ctx, storage.Tenant{ID: storage.NewTenantID(w.now), Slug: string(ev.ID)}, ev)
	},
	"UpdateTenant": func(ctx context.Context, w *world, ev storage.Event) error {
		tenant := w.a.tenant
		tenant.SuspendedAt = w.now
		return w.store.UpdateTenant(ctx, tenant, ev)
	},
	"CreateClient": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.store.CreateClient(ctx, storage.Client{ID: storage.NewClientID(w.now)}, ev)
	},
	"UpdateClient": func(ctx context.Context, w *world, ev storage.Event) error {
		c := w.client
		c.Name = "changed"
		return w.store.UpdateClient(ctx, c, ev)
	},
	"CreateResourceServer": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.store.CreateResourceServer(ctx, storage.ResourceServer{ID: storage.NewResourceServerID(w.now)}, ev)
	},
	"UpdateResourceServer": func(ctx context.Context, w *world, ev storage.Event) error {
		rs := w.rs
		rs.Name = "changed"
		return w.store.UpdateResourceServer(ctx, rs, ev)
	},
	"PutSigningKeys": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.store.PutSigningKeys(ctx, []storage.SigningKey{{KID: "1" + string(ev.ID)}, {KID: "2" + string(ev.ID)}}, ev)
	},
	"AppendPlatformEvent": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.store.AppendPlatformEvent(ctx, ev)
	},
}

var tenantChanges = merged(signChanges, merged(keyChanges, map[string]change{
	"UpdateUser": func(ctx context.Context, w *world, ev storage.Event) error {
		u := w.a.user
		u.DisabledAt = w.now
		return w.a.UpdateUser(ctx, u, ev)
	},
	"CreateConnection": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.CreateConnection(ctx, w.newConnection(), ev)
	},
	"UpdateConnection": func(ctx context.Context, w *world, ev storage.Event) error {
		c := w.a.connection
		c.DisabledAt = w.now
		return w.a.UpdateConnection(ctx, c, ev)
	},
	"PutDomain": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.PutDomain(ctx, storage.Domain{Name: string(ev.ID), Connection: w.a.connection.ID}, ev)
	},
	"DeleteDomain": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.DeleteDomain(ctx, w.a.domain, ev)
	},
	"SignIn": func(ctx context.Context, w *world, ev storage.Event) error {
		in := w.signIn(w.a)
		in.Replaces = w.a.session.ID
		return w.a.SignIn(ctx, in, ev)
	},
	"EndSession": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.EndSession(ctx, w.a.session.ID, w.now, ev)
	},
	"IssueCode": func(ctx context.Context, w *world, ev storage.Event) error {
		in := w.issue(w.a)
		in.Code.CreatedAt = w.now.Add(1e9)
		remember := w.a.consent
		remember.Resource = "https://other.test"
		in.Remember = &remember
		return w.a.IssueCode(ctx, in, ev)
	},
	"RedeemCode": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.RedeemCode(ctx, w.redeem(w.a.code), ev)
	},
	"FailCode": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.FailCode(ctx, w.a.code.Ref, w.now, ev)
	},
	"RevokeGrant": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.RevokeGrant(ctx, w.a.grant.ID, w.now, ev)
	},
	"WithdrawConsent": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.WithdrawConsent(ctx, w.a.user.ID, w.client.ID, w.now, ev)
	},
	"IssueToken": func(ctx context.Context, w *world, ev storage.Event) error {
		a := w.a.access
		a.Ref = ref(token.Access, a.ExpiresAt)
		return w.a.IssueToken(ctx, w.issueToken(w.a, a), ev)
	},
	"RotateRefresh": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.RotateRefresh(ctx, w.rotate(w.a, w.a.refresh), ev)
	},
	"RevokeToken": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.RevokeToken(ctx, w.a.access.Ref, w.now, ev)
	},
	"AppendEvent": func(ctx context.Context, w *world, ev storage.Event) error {
		return w.a.AppendEvent(ctx, ev)
	},
}))

// mutators returns the methods of an interface that answer with an error alone:
// they change something. It fails for one that takes no event and is not exempt.
func mutators[I any](t *testing.T) []string {
	t.Helper()
	var names []string
	iface := reflect.TypeFor[I]()
	for i := range iface.NumMethod() {
		m := iface.Method(i)
		if m.Type.NumOut() != 1 || m.Type.Out(0) != reflect.TypeFor[error]() {
			continue
		}
		takesEvent := false
		for in := range m.Type.Ins() {
			takesEvent = takesEvent || in == reflect.TypeFor[storage.Event]()
		}
		switch {
		case takesEvent:
			names = append(names, m.Name)
		case unrecorded[m.Name] == "":
			t.Errorf("%s.%s changes something, takes no event, and has no reason not to", iface.Name(), m.Name)
		}
	}
	return names
}

// changes returns the cases of all mutators, and fails for one without.
func changes(t *testing.T) map[string]change {
	t.Helper()
	all := map[string]change{}
	for _, part := range []struct {
		names []string
		cases map[string]change
	}{{mutators[storage.Store](t), platformChanges}, {mutators[storage.TenantStore](t), tenantChanges}} {
		for _, name := range part.names {
			if part.cases[name] == nil {
				t.Errorf("%s has no case: add one beside the others", name)
				continue
			}
			if told[name] == nil {
				t.Errorf("nobody has decided what nodes are told of %s: add it to told", name)
			}
			all[name] = part.cases[name]
		}
	}
	return all
}

func testEveryChangeIsRecorded(t *testing.T, w *world) {
	for name, do := range changes(t) {
		w := newWorld(t, w.store)
		ev := w.event("kind." + name)
		w.must(do(t.Context(), w, ev))
		trail := get(w.store.PlatformEvents(t.Context(), "", 1))(w)
		if tenantChanges[name] != nil {
			trail = get(w.a.Events(t.Context(), "", 1))(w)
			ev.Tenant = w.a.tenant.ID
		}
		if diff := cmp.Diff([]storage.Event{ev}, trail); diff != "" {
			t.Errorf("%s is not recorded (-want +got):\n%s", name, diff)
		}
	}
}

// testFailedChangeLeavesNothing lets the last statement of each change fail: its
// event's id is taken. They share a world, because none of them changes it.
func testFailedChangeLeavesNothing(t *testing.T, w *world) {
	taken := w.event("first")
	w.must(w.store.AppendPlatformEvent(t.Context(), taken))
	w.must(w.a.AppendEvent(t.Context(), taken))
	before := w.snapshot()
	for name, do := range changes(t) {
		if err := do(t.Context(), w, taken); !errors.Is(err, storage.ErrExists) {
			t.Errorf("%s: %v, want ErrExists", name, err)
		}
		after := w.snapshot()
		if diff := cmp.Diff(before, after, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s failed and changed something (-before +after):\n%s", name, diff)
		}
		before = after
	}
}

// picture is everything that can be seen of a world.
type picture struct {
	Tenants []storage.Tenant
	Clients []storage.Client
	Servers []storage.ResourceServer
	Keys    []storage.SigningKey
	Trail   []storage.Event
	A, B    homePicture
}

type homePicture struct {
	Users       []storage.User
	Connections []storage.Connection
	Domains     []storage.Domain
	Sessions    []storage.Session
	Grants      []storage.Grant
	Consents    []storage.Consent
	Trail       []storage.Event
	Live        []storage.LiveSession
	Code, Used  *storage.LiveCode
	Access      *storage.LiveToken
	Refresh     *storage.LiveRefresh
	Keyring     keyringPicture
	Signing     signingPicture
}

const all = 1 << 20

func (w *world) snapshot() picture {
	w.Helper()
	ctx := w.Context()
	return picture{
		Tenants: get(w.store.ListTenants(ctx))(w), Clients: get(w.store.ListClients(ctx))(w),
		Servers: get(w.store.ListResourceServers(ctx))(w), Keys: get(w.store.SigningKeys(ctx, storage.SignTokens))(w),
		Trail: get(w.store.PlatformEvents(ctx, "", all))(w), A: w.look(w.a), B: w.look(w.b),
	}
}

func (w *world) look(h *home) homePicture {
	w.Helper()
	ctx := w.Context()
	_, live, err := w.store.AuthorizeView(ctx, w.client.ID, h.consent.RedirectHost, h.consent.Resource, [][]byte{h.session.Handle})
	w.must(err)
	_, code, err := w.store.FindCode(ctx, "", h.code.Ref)
	w.must(err)
	_, used, err := w.store.FindCode(ctx, "", h.redeemed.Ref)
	w.must(err)
	_, access, err := w.store.FindAccess(ctx, "", h.access.Ref)
	w.must(err)
	_, refresh, err := w.store.FindRefresh(ctx, "", h.refresh.Ref)
	w.must(err)
	connections := get(h.ListConnections(ctx))(w)
	slices.SortFunc(connections, func(a, b storage.Connection) int { return int(a.Version - b.Version) })
	return homePicture{
		Users: get(h.ListUsers(ctx))(w), Connections: connections, Domains: get(h.ListDomains(ctx))(w),
		Sessions: get(h.ListSessions(ctx, h.user.ID, w.now))(w), Grants: get(h.ListGrants(ctx, h.user.ID, w.now))(w),
		Consents: get(h.ListConsents(ctx, h.user.ID))(w),
		Trail:    get(h.Events(ctx, "", all))(w), Live: live, Code: code, Used: used, Access: access, Refresh: refresh,
		Keyring: w.lookAtKeys(h), Signing: w.lookAtSigning(h),
	}
}
