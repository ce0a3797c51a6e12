package walk_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/watchgate/watchgate/internal/walk"
)

func TestWalkPressesButtonsAndStopsAtTheApp(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
		fmt.Fprint(w, `<form method="post" action="/go"><input type="hidden" name="a" value="1"><input name="b">
			<button id="no" name="d" value="deny">No</button><button id="yes" name="d" value="allow">Yes</button></form>`)
	})
	mux.HandleFunc("POST /go", func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("seen")
		if err != nil || c.Value != "yes" {
			t.Errorf("cookie: %v", err)
		}
		http.Redirect(w, r, "https://app.example/cb?"+url.Values{"got": {r.FormValue("a") + r.FormValue("b") + r.FormValue("d")}}.Encode(), http.StatusSeeOther)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	b := walk.New(nil, func(u *url.URL) bool { return u.Host == "app.example" })
	p, err := b.Get(t.Context(), srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	p, err = p.Press(t.Context(), "yes", url.Values{"b": {"2"}})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Ended || p.URL.Query().Get("got") != "12allow" {
		t.Errorf("ended %v at %s", p.Ended, p.URL)
	}
	if p, _ = b.Get(t.Context(), srv.URL); p.Has("d=maybe") || !p.Has("d=allow") || p.Text() != "No Yes" {
		t.Errorf("the page reads %q", p.Text())
	}
}
