package authz_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

// overtaken is a store on which something happens right after a request has
// looked, and before it writes.
type overtaken struct {
	*sqlstore.Store
	meanwhile func()
}

// happen lets it happen once.
func (o *overtaken) happen() {
	if f := o.meanwhile; f != nil {
		o.meanwhile = nil
		f()
	}
}

func (o *overtaken) FindCode(ctx context.Context, c storage.ClientID, ref storage.TokenRef) (storage.Client, *storage.LiveCode, error) {
	defer o.happen()
	return o.Store.FindCode(ctx, c, ref)
}

func (o *overtaken) FindRefresh(ctx context.Context, c storage.ClientID, ref storage.TokenRef) (storage.Client, *storage.LiveRefresh, error) {
	defer o.happen()
	return o.Store.FindRefresh(ctx, c, ref)
}

func (o *overtaken) AuthorizeView(ctx context.Context, c storage.ClientID, host, resource string, handles [][]byte) (storage.Client, []storage.LiveSession, error) {
	defer o.happen()
	return o.Store.AuthorizeView(ctx, c, host, resource, handles)
}

// TK-07 and TK-08: the loser of a race is a second redemption with the full
// proof.
func TestAttackLostRaceForACodeRevokesTheGrant(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		code := w.code(request())
		o := &overtaken{Store: w.store}
		w.mountOn(issuer, o)
		var won tokens
		o.meanwhile = func() { won = w.tokens(w.post("/oauth2/token", redemption(code), as("web"))) }
		w.refused(w.post("/oauth2/token", redemption(code), as("web")), 400, "invalid_grant")
		if won.Access == "" || w.alive(won.Access) || w.recorded("code.replayed") != 1 {
			w.Errorf("winner %+v, alive %v, %d replays", won.Error, w.alive(won.Access), w.recorded("code.replayed"))
		}
	})
}

// RF-13: who is overtaken by the same refresh gets the same successor.
func TestOvertakenRefreshIsARetry(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		first := w.granted()
		o := &overtaken{Store: w.store}
		w.mountOn(issuer, o)
		var other tokens
		o.meanwhile = func() { other = w.refresh(first.Refresh, "web") }
		if got := w.refresh(first.Refresh, "web"); got.Refresh == "" || got.Refresh != other.Refresh {
			w.Errorf("got %+v, the other %+v", got, other)
		}
	})
}

// RF-02: who is overtaken by a use of the successor is a reuse.
func TestAttackRefreshOvertakenByItsSuccessorsUse(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		first := w.granted()
		second := w.refresh(first.Refresh, "web")
		o := &overtaken{Store: w.store}
		w.mountOn(issuer, o)
		var third tokens
		o.meanwhile = func() { third = w.refresh(second.Refresh, "web") }
		if got := w.refresh(first.Refresh, "web"); got.Error != "invalid_grant" {
			w.Errorf("got %+v", got)
		}
		if w.alive(third.Access) || w.recorded("refresh.reused") != 1 {
			w.Error("the family must be dead")
		}
	})
}

// D5: a grant that is revoked while it is refreshed gives nothing.
func TestAttackRefreshOvertakenByRevocation(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		first := w.granted()
		o := &overtaken{Store: w.store}
		w.mountOn(issuer, o)
		o.meanwhile = func() { w.post("/oauth2/revoke", form("token", first.Refresh), as("web")) }
		if got := w.refresh(first.Refresh, "web"); got.Error != "invalid_grant" {
			w.Errorf("got %+v", got)
		}
	})
}

// AZ-36: what changes between the look and the code is noticed by the statement
// that issues it.
func TestAttackAuthorizeOvertaken(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(*world, storage.LiveSession){
		"consent withdrawn": func(w *world, ls storage.LiveSession) {
			w.must(w.store.Tenant(w.acme.ID).WithdrawConsent(context.Background(), ls.User, "web", w.now(), event("consent.withdrawn")))
		},
		"signed out": func(w *world, ls storage.LiveSession) {
			w.must(w.store.Tenant(w.acme.ID).EndSession(context.Background(), ls.ID, w.now(), event("session.ended")))
		},
		"user disabled":       func(w *world, _ storage.LiveSession) { w.disableAlice() },
		"tenant suspended":    func(w *world, _ storage.LiveSession) { w.suspend() },
		"connection disabled": func(w *world, _ storage.LiveSession) { w.disableConnection() },
		"client changed": func(w *world, _ storage.LiveSession) {
			w.change("web", func(c *storage.Client) { c.Scopes = []string{"openid"} })
		},
		"tenant policy": func(w *world, _ storage.LiveSession) {
			w.edit(func(t *storage.Tenant) { t.Policy.OnlyListedClients = true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onBoth(t, func(w *world) {
				cookie, ls := w.aliceIn()
				w.authorize(request(), cookie)
				waiting := w.browse.last(w)
				w.response(w.approve(ls), callback)
				o := &overtaken{Store: w.store, meanwhile: func() { meanwhile(w, ls) }}
				w.mountOn(issuer, o)
				before := w.recorded("code.issued")
				if got := w.response(w.authorize(request("prompt", "none"), cookie), callback); got.Has("code") {
					w.Errorf("a code: %v", got)
				}
				if rec := w.finish(waiting, ls, false); w.response(rec, callback).Has("code") {
					w.Error("a code from Approve")
				}
				if w.recorded("code.issued") != before {
					w.Error("a code was stored")
				}
			})
		})
	}
}

// The memory of views is for seconds, and never for what it would refuse.
func TestViewIsForgottenAfterSeconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	w.response(w.approve(ls), callback)
	w.response(w.authorize(request(), cookie), callback)
	again := func() { w.response(w.authorize(request(), cookie), callback) }
	if n := w.counted(again); n != 1 {
		t.Errorf("at once: %d round trips, want 1", n)
	}
	w.pass(10 * time.Second)
	if n := w.counted(again); n != 2 {
		t.Errorf("after 10 s: %d round trips, want 2", n)
	}
}

// RFC 8707: several resources, and a token for one of them.
func TestSeveralResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cookie, ls := w.aliceIn()
	w.authorizeRaw(request("resource", "https://MCP.example.com").Encode()+"&resource="+audience+"/", cookie)
	code := w.response(w.approve(ls), callback).Get("code")
	got := w.tokens(w.post("/oauth2/token", redemption(code, "resource", "https://mcp.example.com/"), as("web")))
	if aud := w.audienceOf(got.Access); len(aud) != 1 || aud[0] != "https://mcp.example.com/" {
		t.Errorf("aud = %v", aud)
	}
	all := w.refresh(got.Refresh, "web")
	if aud := w.audienceOf(all.Access); len(aud) != 2 {
		t.Errorf("aud = %v", aud)
	}
	w.sentBack(w.authorizeRaw(request().Encode()+strings.Repeat("&resource="+audience, 9), cookie), "invalid_target")
}
