package orgapi_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/watchgate/watchgate/idp/orgapi"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// proved claims a domain of acme, makes its record, and has it verified.
func (w *world) proved(name, con string) orgapi.Domain {
	w.t.Helper()
	var d orgapi.Domain
	w.does(http.StatusCreated, alice, "POST", "/v1/domains", `{"name":"`+name+`","connection":"`+con+`"}`).into(w.t, &d)
	w.set(func() { w.texts[d.Record.Name+"."] = d.Record.Value })
	w.does(http.StatusOK, alice, "POST", "/v1/domains/"+name+"/verify", "").into(w.t, &d)
	return d
}

func TestDomainIsClaimedAndVerified(t *testing.T) {
	w := newWorld(t)
	con := w.connected(alice)
	r := w.does(http.StatusCreated, adam, "POST", "/v1/domains", `{"name":"Acme.Example","connection":"`+idOf(con)+`"}`)
	var d orgapi.Domain
	r.into(t, &d)
	at := r.header.Get("Location")
	if at != "/v1/domains/acme.example" || d.State != "claimed" || d.Record.Type != "TXT" || d.Record.Name != "_watchgate-challenge.acme.example" {
		t.Errorf("%s, %+v", at, d)
	}
	w.refused(manage.AlreadyExists, adam, "POST", "/v1/domains", `{"name":"acme.example","connection":"`+idOf(con)+`"}`)
	missing := w.refused(manage.DomainNotProved, adam, "POST", at+"/verify", "")
	w.set(func() { w.silent = true })
	if silent := w.refused(manage.DomainNotProved, adam, "POST", at+"/verify", ""); silent.object(t)["detail"] == missing.object(t)["detail"] {
		t.Error("silence is told as if it were an answer")
	}
	w.set(func() { w.silent = false; w.texts[d.Record.Name+"."] = d.Record.Value })
	w.does(http.StatusOK, adam, "POST", at+"/verify", "").into(t, &d)
	if d.State != "verified" || d.VerifiedAt == nil {
		t.Errorf("%+v", d)
	}
	if ev := w.event(w.acme.ID, "domain.verified"); ev.ActorID != string(w.people[adam].User) {
		t.Errorf("%+v", ev)
	}
	theirs := w.connected(carol)
	w.does(http.StatusCreated, carol, "POST", "/v1/domains", `{"name":"acme.example","connection":"`+idOf(theirs)+`"}`).into(t, &d)
	w.set(func() { w.texts[d.Record.Name+"."] = d.Record.Value })
	w.refused(manage.DomainTaken, carol, "POST", at+"/verify", "")
	w.does(http.StatusNoContent, alice, "DELETE", at, "")
	w.does(http.StatusOK, carol, "POST", at+"/verify", "")
}

// No record is looked for where the operator vouched, and so none is asked for.
func TestDomainThatTheOperatorVouchedForHasNoRecord(t *testing.T) {
	w := newWorld(t)
	con := w.connected(alice)
	if err := w.dir.AddDomain(t.Context(), string(w.acme.ID), "vouched.example", storage.ConnectionID(idOf(con))); err != nil {
		t.Fatal(err)
	}
	got := w.does(http.StatusOK, adam, "GET", "/v1/domains/vouched.example", "").object(t)
	if _, has := got["record"]; has || got["by_operator"] != true {
		t.Errorf("%v", got)
	}
}

func TestDomainsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	con := idOf(w.connected(alice))
	for body, fields := range map[string]string{
		`{"name":"gmail.com","connection":"` + con + `"}`: "name", `{"name":"co.uk","connection":"` + con + `"}`: "name", `{"name":"localhost","connection":"` + con + `"}`: "name",
		`{"name":"acme.example","connection":"con_nosuch"}`: "connection", `{"name":"acme.example"}`: "connection",
	} {
		if r := w.refused(manage.Invalid, alice, "POST", "/v1/domains", body); r.fields() != fields {
			t.Errorf("%s: %s", body, r.body)
		}
	}
}

func TestEverybodyIsNotSentWhereNobodyGetsIn(t *testing.T) {
	w := newWorld(t)
	con := w.connected(alice)
	w.proved("acme.example", idOf(con))
	if r := w.refused(manage.Invalid, alice, "PATCH", "/v1/domains/acme.example", `{"sso_required":true}`); r.fields() != "sso_required" {
		t.Error(r.body)
	}
	w.does(http.StatusOK, alice, "POST", con+"/enable", "")
	var d orgapi.Domain
	w.does(http.StatusOK, alice, "PATCH", "/v1/domains/acme.example", `{"sso_required":true}`).into(t, &d)
	if !d.SSORequired || d.State != "verified" {
		t.Errorf("%+v", d)
	}
	for body, fields := range map[string]string{`{"connection":"con_nosuch"}`: "connection", `{"connection":null}`: "connection", `{"name":"x.example"}`: "name"} {
		if r := w.refused(manage.Invalid, alice, "PATCH", "/v1/domains/acme.example", body); r.fields() != fields {
			t.Errorf("%s: %s", body, r.body)
		}
	}
}

func TestDomainsAreListedByName(t *testing.T) {
	w := newWorld(t)
	con := idOf(w.connected(alice))
	for _, name := range []string{"c.example", "a.example", "b.example"} {
		w.does(http.StatusCreated, alice, "POST", "/v1/domains", `{"name":"`+name+`","connection":"`+con+`"}`)
	}
	var names []string
	var page manage.Collection[orgapi.Domain]
	for cursor := ""; ; cursor = "&cursor=" + page.NextCursor {
		page = manage.Collection[orgapi.Domain]{}
		w.does(http.StatusOK, adam, "GET", "/v1/domains?limit=2"+cursor, "").into(t, &page)
		for _, d := range page.Items {
			names = append(names, d.Name)
		}
		if page.NextCursor == "" {
			break
		}
	}
	if !slices.Equal(names, []string{"a.example", "b.example", "c.example"}) {
		t.Error(names)
	}
}
