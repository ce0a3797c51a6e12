package introspect_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/introspect"
	"github.com/watchgate/watchgate/storage"
)

// denials are acme's and globex's cross_tenant.denied: what was named, and by
// whom.
func (w *world) denials() (acme, globex []string) {
	w.t.Helper()
	for tenant, out := range map[storage.TenantID]*[]string{w.acme.ID: &acme, w.globex.ID: &globex} {
		events, err := w.store.Tenant(tenant).Events(context.Background(), "", 1000)
		must(w.t, err)
		for _, ev := range events {
			if ev.Kind == "cross_tenant.denied" {
				*out = append(*out, ev.Object+" by "+ev.Details["by"])
			}
		}
	}
	return acme, globex
}

// refusedElsewhere checks the one answer.
func (w *world) refusedElsewhere(form url.Values, edit ...func(*http.Request)) {
	w.t.Helper()
	rec := w.ask(form, edit...)
	if d := cmp.Diff(inactiveHeader, rec.Header()); rec.Code != 200 || rec.Body.String() != inactive || d != "" {
		w.t.Errorf("%d %s %s", rec.Code, rec.Body, d)
	}
}

// TN-12: acme's token at globex's address is nothing to the asker, and something
// to acme: once a minute for each resource server.
func TestAttackTokenOfAnotherTenant(t *testing.T) {
	w := newWorld(t)
	w.resourceServer("other-api", func(*storage.ResourceServer) {})
	w.resourceServer("globex-api", func(rs *storage.ResourceServer) { rs.TenantID = w.globex.ID })
	s := w.issue(plain)
	elsewhere := url.Values{"token": {s}, "tenant": {"globex"}}
	for range 3 {
		w.refusedElsewhere(elsewhere)
		w.refusedElsewhere(elsewhere, func(r *http.Request) { r.RemoteAddr = "198.51.100.7:5" })
	}
	w.refusedElsewhere(elsewhere, as("other-api", secret))
	w.refusedElsewhere(tok(s), as("globex-api", secret))
	acme, globex := w.denials()
	slices.Sort(acme)
	want := []string{"globex by demo-api", "globex by other-api", string(w.globex.ID) + " by globex-api"}
	if d := cmp.Diff(want, acme); d != "" || len(globex) != 0 {
		t.Errorf("%s globex: %v", d, globex)
	}
	w.clock = w.clock.Add(time.Minute)
	w.refusedElsewhere(elsewhere)
	if acme, _ := w.denials(); len(acme) != 4 {
		t.Errorf("%d events a minute later, want 4", len(acme))
	}
}

// What is no live token of another tenant is in nobody's trail, and an active
// answer writes nothing.
func TestNothingElseIsACrossTenantDenial(t *testing.T) {
	w := newWorld(t)
	s := w.issue(plain)
	dead := w.revoke(w.issue(func(a *storage.AccessToken) { a.ID = "tok_2" }))
	for _, form := range []url.Values{
		{"token": {s}}, {"token": {s}, "tenant": {"acme"}}, {"token": {s}, "tenant": {string(w.acme.ID)}}, {"token": {s}, "tenant": {""}},
		{"token": {s}, "tenant": {"acme"}, "scope": {"x"}}, {"token": {dead}, "tenant": {"globex"}}, {"token": {"x"}, "tenant": {"globex"}},
		{"token": {token.New(token.Access, start.Add(time.Hour))}, "tenant": {"globex"}},
	} {
		w.ask(form)
	}
	w.ask(url.Values{"token": {s}, "tenant": {"globex"}}, as("demo-api", "wrong"))
	if acme, globex := w.denials(); len(acme)+len(globex) != 0 {
		t.Errorf("%v %v", acme, globex)
	}
}

// Who holds a token can name tenants without end, and fills no trail with them.
func TestAttackManyNamesOfTenants(t *testing.T) {
	w := newWorld(t)
	s := w.issue(plain)
	for i := range 300 {
		w.refusedElsewhere(url.Values{"token": {s}, "tenant": {fmt.Sprint("tenant-", i)}})
	}
	if acme, _ := w.denials(); len(acme) < 2 || len(acme) > 16 {
		t.Errorf("%d events of 300 names, want 2 to 16", len(acme))
	}
}

// trailing is a store whose tenants' trails are told of, and may fail.
type trailing struct {
	introspect.Store
	append func(context.Context) error
}

func (s trailing) Tenant(id storage.TenantID) storage.TenantStore {
	return trail{s.Store.Tenant(id), s.append}
}

type trail struct {
	storage.TenantStore
	append func(context.Context) error
}

func (t trail) AppendEvent(ctx context.Context, ev storage.Event) error {
	if err := t.append(ctx); err != nil {
		return err
	}
	return t.TenantStore.AppendEvent(ctx, ev)
}

// The refusal stands without its record, which the log then has.
func TestDenialThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t)
	s := w.issue(plain)
	w.mount(introspect.Config{Store: trailing{w.store, func(context.Context) error { return errors.New("disk full") }}, Log: w.logger()})
	w.refusedElsewhere(url.Values{"token": {s}, "tenant": {"globex"}})
	if line := w.log.String(); !strings.Contains(line, "audit event lost") || !strings.Contains(line, "disk full") || !strings.Contains(line, "cross_tenant.denied") {
		t.Error(line)
	}
}

// Whether something is stored does not show in how long the answer takes: the
// asker has it, whole, before the store is asked, and may go.
func TestAttackTimingOfADenial(t *testing.T) {
	w := newWorld(t)
	s := w.issue(plain)
	answered, stored := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(answered) })
	w.mount(introspect.Config{Store: trailing{w.store, func(ctx context.Context) error {
		<-answered
		if ctx.Done() != nil {
			t.Error("who goes takes the record along")
		}
		close(stored)
		return nil
	}}})
	server := httptest.NewServer(w.mux)
	defer server.Close()
	defer release()
	form := url.Values{"token": {s}, "tenant": {"globex"}, "client_id": {"demo-api"}, "client_secret": {secret}}
	client := http.Client{Timeout: 20 * time.Second}
	resp, err := client.PostForm(server.URL+"/oauth2/introspect", form)
	must(t, err)
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, resp.Body.Close())
	if string(body) != inactive || resp.ContentLength != int64(len(inactive)) || len(resp.TransferEncoding) != 0 {
		t.Errorf("%s, %d bytes, %v", body, resp.ContentLength, resp.TransferEncoding)
	}
	server.CloseClientConnections()
	release()
	<-stored
	server.Close()
	if acme, _ := w.denials(); len(acme) != 1 {
		t.Errorf("%d events, want 1", len(acme))
	}
}
