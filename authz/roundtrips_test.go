package authz_test

import (
	"testing"

	"github.com/watchgate/watchgate/internal/token"
)

// counted returns how many round trips to the database a request costs.
func (w *world) counted(do func()) int64 {
	before := w.trips.Load()
	do()
	return w.trips.Load() - before
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) { roundTrips(newWorld(t), 0) })
	t.Run("PostgreSQL", func(t *testing.T) { roundTrips(newPostgresWorld(t), 1) })
}

// roundTrips counts; looks is how often what kills looks who else has to know,
// when there is nobody.
func roundTrips(w *world, looks int64) {
	cookie, ls := w.aliceIn()
	w.authorize(request(), cookie)
	w.response(w.approve(ls), callback)
	w.response(w.authorize(request(), cookie), callback)
	w.post("/oauth2/token", form("grant_type", "client_credentials"), as("m2m"))
	var code string
	var got tokens
	garbage := token.New(token.Access, start)[:20]
	for _, step := range []struct {
		name string
		want int64
		do   func()
	}{
		{"authorize with a session and remembered consent", 1, func() { code = w.response(w.authorize(request(), cookie), callback).Get("code") }},
		{"code exchange", 2, func() { got = w.tokens(w.post("/oauth2/token", redemption(code), as("web"))) }},
		{"refresh", 2, func() { w.refresh(got.Refresh, "web") }},
		{"client credentials", 1, func() { w.post("/oauth2/token", form("grant_type", "client_credentials"), as("m2m")) }},
		{"userinfo", 1, func() { w.do(get("/oauth2/userinfo", bearer(got.Access))) }},
		{"userinfo with garbage", 0, func() { w.do(get("/oauth2/userinfo", bearer(garbage))) }},
		{"garbage code", 1, func() { w.post("/oauth2/token", redemption("wgac_garbage"), as("web")) }},
		{"garbage refresh token", 1, func() { w.refresh("wgrt_garbage", "web") }},
		{"garbage to revoke", 1, func() { w.post("/oauth2/revoke", form("token", garbage), as("web")) }},
		{"unknown grant type", 0, func() { w.post("/oauth2/token", form("grant_type", "password"), as("web")) }},
		{"revoke", 2 + looks, func() { w.post("/oauth2/revoke", form("token", got.Access), as("web")) }},
	} {
		if n := w.counted(step.do); n != step.want {
			w.Errorf("%s: %d round trips, want %d", step.name, n, step.want)
		}
	}
}
