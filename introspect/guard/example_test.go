package guard_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/watchgate/watchgate/introspect/guard"
)

// An API whose monitors belong to tenants.
func Example() {
	watchgate := exampleServer()
	defer watchgate.Close()

	g, err := guard.New(guard.Config{
		Issuer:   "https://auth.example.com",
		Endpoint: watchgate.URL, // left out when it is Issuer + /oauth2/introspect
		ClientID: "monitor-api",
		Secret:   "from the environment",
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := g.Ping(context.Background()); err != nil {
		log.Fatal(err) // a typo in the secret, for example
	}

	monitors := func(w http.ResponseWriter, r *http.Request) {
		p, _ := guard.PrincipalFrom(r.Context())
		fmt.Fprintf(w, "the monitors of %s, for %s", p.Tenant, p.Username)
	}
	mux := http.NewServeMux()
	read := g.Require("monitor:read", guard.PathValue("tenant"))
	mux.Handle("GET /t/{tenant}/monitors", read(http.HandlerFunc(monitors)))

	show(mux, "/t/acme/monitors", "alices-token")
	show(mux, "/t/globex/monitors", "alices-token")
	show(mux, "/t/acme/monitors", "garbage")
	show(mux, "/t/acme/monitors", "")
	// Output:
	// 200 the monitors of acme, for alice@acme.test
	// 404 {"error":"not_found","error_description":"there is nothing here for this credential"}
	// 401 {"error":"invalid_token","error_description":"the access token is not active"}
	// 401 {"message":"an access token is needed: Authorization: Bearer ..."}
}

// What is dangerous asks for a fresh and strong sign-in. A client that has another
// one is told what to ask the authorization server for (RFC 9470).
func ExampleGuard_Require_stepUp() {
	g := exampleGuard()
	erase := g.Require("monitor:read", guard.PathValue("tenant"), guard.MaxAge(5*time.Minute), guard.ACR("mfa"))

	mux := http.NewServeMux()
	mux.Handle("DELETE /t/{tenant}", erase(http.NotFoundHandler()))
	r := httptest.NewRequest("DELETE", "/t/acme", nil)
	r.Header.Set("Authorization", "Bearer alices-token") // who signed in an hour ago
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output:
	// 401 Bearer error="insufficient_user_authentication", error_description="a stronger or more recent sign-in is needed", acr_values="mfa", max_age="300"
}

// A program that does not speak net/http puts the question itself.
func ExampleGuard_Check() {
	g := exampleGuard()
	for _, need := range []guard.Need{
		{Tenant: "acme", Scope: "monitor:read"},
		{Tenant: "globex", Scope: "monitor:read"},
		{Tenant: "acme", Scope: "monitor:read config:admin"},
	} {
		p, err := g.Check(context.Background(), "alices-token", need)
		var scope *guard.ScopeError
		switch {
		case err == nil:
			fmt.Println("allowed:", p.Subject)
		case errors.Is(err, guard.ErrOtherTenant):
			fmt.Println("not found")
		case errors.As(err, &scope):
			fmt.Println("forbidden without", scope.Needed)
		case errors.Is(err, guard.ErrUnavailable):
			fmt.Println("try again later")
		default:
			fmt.Println("sign in")
		}
	}
	// Output:
	// allowed: usr_alice
	// not found
	// forbidden without monitor:read config:admin
}

// Answers that may be five seconds old, and a count of every decision.
func ExampleConfig() {
	watchgate := exampleServer()
	defer watchgate.Close()
	decisions := map[guard.Decision]int{} // a counter of your metrics library
	g, err := guard.New(guard.Config{
		Issuer: "https://auth.example.com", Endpoint: watchgate.URL, ClientID: "monitor-api", Secret: "from the environment",
		Cache: guard.Cache{MaxAge: 5 * time.Second},
		Observe: func(_ context.Context, e guard.Event) {
			decisions[e.Decision]++
			if errors.Is(e.Err, guard.ErrOwnCredentials) {
				log.Print("Watchgate refuses our own secret: every call fails")
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, token := range []string{"alices-token", "alices-token", "garbage"} {
		_, _ = g.Check(context.Background(), token, guard.Need{Tenant: "acme", Scope: "monitor:read"})
	}
	fmt.Println(decisions)
	// Output:
	// map[allowed:2 invalid_token:1]
}

// A handler is tested without an authorization server.
func ExampleWithPrincipal() {
	handler := func(w http.ResponseWriter, r *http.Request) {
		p, _ := guard.PrincipalFrom(r.Context())
		fmt.Fprint(w, "hello ", p.Username)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(guard.WithPrincipal(r.Context(), guard.Principal{Username: "alice@acme.test"}))
	w := httptest.NewRecorder()
	handler(w, r)
	fmt.Println(w.Body)
	// Output:
	// hello alice@acme.test
}

// exampleServer stands for Watchgate: it knows one token, alice's of acme.
func exampleServer() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		tenant := r.FormValue("tenant")
		if r.FormValue("token") != "alices-token" || tenant != "" && tenant != "acme" {
			fmt.Fprint(w, `{"active":false}`)
			return
		}
		now := time.Now()
		fmt.Fprintf(w, `{"active":true,"iss":"https://auth.example.com","sub":"usr_alice","username":"alice@acme.test","tenant":"acme",
			"scope":"monitor:read","acr":"pwd","auth_time":%d,"exp":%d}`, now.Add(-time.Hour).Unix(), now.Add(time.Hour).Unix())
	}))
}

func exampleGuard() *guard.Guard {
	g, err := guard.New(guard.Config{
		Issuer: "https://auth.example.com", Endpoint: exampleServer().URL, ClientID: "monitor-api", Secret: "from the environment",
	})
	if err != nil {
		log.Fatal(err)
	}
	return g
}

func show(h http.Handler, path, token string) {
	r := httptest.NewRequest("GET", path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
}
