package manage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/storage/storagetest"
)

// world is an API with a few operations, behind a real edge, over a real store.
type world struct {
	t      *testing.T
	api    *API
	url    string
	store  *sqlstore.Store
	log    *lockedBuffer
	done   chan struct{}
	ticks  chan time.Time
	things *things

	mu   sync.Mutex
	now  time.Time
	who  map[string]Principal // by token
	fail error                // what authentication meets
	seen []Credential
}

// lockedBuffer is a log that several requests write.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// Authenticate knows the tokens of the test.
func (w *world) Authenticate(_ context.Context, c Credential) (Principal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, c)
	if w.fail != nil {
		return Principal{}, w.fail
	}
	if p, ok := w.who[c.Token]; ok {
		return p, nil
	}
	return Principal{}, ErrInactive
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}

const (
	acme   storage.TenantID = "ten_acme"
	globex storage.TenantID = "ten_globex"
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, log: &lockedBuffer{}, done: make(chan struct{}), ticks: make(chan time.Time), now: time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)}
	w.who = map[string]Principal{
		"alice":  {Tenant: acme, TenantSlug: "acme", User: "usr_alice", Role: storage.RoleOwner, Client: "app_1", Scopes: []string{"things:read", "things:write"}},
		"bob":    {Tenant: acme, TenantSlug: "acme", User: "usr_bob", Role: storage.RoleMember, Client: "app_1", Scopes: []string{"things:read", "things:write"}},
		"reader": {Tenant: acme, TenantSlug: "acme", User: "usr_reader", Client: "app_1", Scopes: []string{"things:read"}},
		"carol":  {Tenant: globex, TenantSlug: "globex", User: "usr_carol", Client: "app_1", Scopes: []string{"things:read", "things:write"}},
		"key7":   {Tenant: acme, TenantSlug: "acme", Key: "key_7", Secret: "key7"},
		"nobody": {},
	}
	w.openStore()
	sealer, err := seal.New([][]byte{bytes.Repeat([]byte{7}, seal.MinMaster)})
	if err != nil {
		t.Fatal(err)
	}
	mux := web.NewMux(web.Config{Log: web.NewLog(w.log, slog.LevelInfo), Registerer: prometheus.NewRegistry()})
	w.api = New(mux, Config{
		Issuer: "https://auth.example", Version: "1.2.3", Auth: w, Opener: w.store, Sealer: sealer, Done: w.done,
		Now:   func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		Codes: Codes{Unauthenticated: "authentication_error", Forbidden: "permission_error"}, Tenants: w.store,
		Tick:   func(time.Duration) (<-chan time.Time, func()) { return w.ticks, func() {} },
		Scopes: map[string]string{"things:read": "See things"}, Log: slog.New(slog.DiscardHandler),
	})
	w.things = newThings(w.api)
	server := httptest.NewUnstartedServer(mux)
	server.Config = web.NewServer(mux, slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func (w *world) openStore() {
	ctx, dsn := w.t.Context(), storagetest.File(w.t, sqlstore.Migrate)
	store, err := sqlstore.Open(ctx, sqlstore.Config{DSN: dsn})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = store.Close() })
	w.store = store
	for _, id := range []storage.TenantID{acme, globex} {
		ev := storage.Event{ID: storage.NewEventID(w.now), Time: w.now, Kind: "tenant.created", Outcome: "success", Tenant: id}
		if err := store.CreateTenant(ctx, storage.Tenant{ID: id, Slug: strings.TrimPrefix(string(id), "ten_"), CreatedAt: w.now}, ev); err != nil {
			w.t.Fatal(err)
		}
	}
}

// thing is what the operations of the test are about.
type thing struct {
	ID    string   `json:"id" example:"thing_1" doc:"Its id"`
	Name  string   `json:"name" example:"lamp" doc:"What it is called"`
	Tags  []string `json:"tags,omitempty" example:"[\"a\"]" doc:"Words about it"`
	Owner string   `json:"owner" example:"usr_1" doc:"Whose it is"`
}

// Resource is for JSON-LD.
func (t thing) Resource() (path, kind string) { return "/v1/things/" + t.ID, "Thing" }

type things struct {
	mu    sync.Mutex
	names []string // the id is the place in it
	err   error    // what every operation fails with
	block chan struct{}
	event chan Event
	// during is called in the middle of an operation with its context; may be nil.
	during func(context.Context)
	began  chan struct{}
	ended  chan struct{}
}

type thingOutput struct {
	ETag string `header:"ETag"`
	Body thing
}

type thingInput struct {
	Body struct {
		Name    string    `json:"name" minLength:"1" maxLength:"20" example:"lamp" doc:"What it is called"`
		Tags    []string  `json:"tags,omitempty" maxItems:"3" doc:"Words about it"`
		Kind    string    `json:"kind,omitempty" enum:"small,large" doc:"How large it is"`
		Count   int       `json:"count,omitempty" minimum:"1" maximum:"9"`
		Until   time.Time `json:"until,omitzero"`
		Careful bool      `json:"careful,omitempty"`
	}
}

type thingPatch struct {
	IfMatch
	ID   string `path:"id"`
	Body struct {
		Name  Optional[string]   `json:"name,omitempty" maxLength:"20"`
		Tags  Optional[[]string] `json:"tags,omitempty" maxItems:"3"`
		Count Optional[int]      `json:"count,omitempty"`
	} `contentType:"application/merge-patch+json"`
}

type thingList struct {
	Page
	Owner string `query:"owner" doc:"Whose they are"`
}

type byID struct {
	ID string `path:"id"`
}

func newThings(a *API) *things {
	h := &things{event: make(chan Event), began: make(chan struct{}, 100), ended: make(chan struct{}, 100)}
	Register(a, Operation{
		ID: "create-thing", Method: http.MethodPost, Path: "/v1/things", Tag: "Things", Summary: "Make a thing", Description: "Makes a `thing`.\n\nIt is there at once.",
		Scopes: []string{"things:write"}, Status: http.StatusCreated, Idempotent: true, Problems: []Kind{TooManyKeys},
	}, h.create)
	Register(a, Operation{ID: "list-things", Method: http.MethodGet, Path: "/v1/things", Tag: "Things", Summary: "List things", Scopes: []string{"things:read"}}, h.list)
	Register(a, Operation{
		ID: "get-thing", Method: http.MethodGet, Path: "/v1/things/{id}", Tag: "Things", Summary: "Get a thing", Scopes: []string{"things:read"}, Self: true, Problems: []Kind{NotFound},
	}, h.get)
	Register(a, Operation{
		ID: "change-thing", Method: http.MethodPatch, Path: "/v1/things/{id}", Tag: "Things", Summary: "Change a thing", Scopes: []string{"things:write"},
		ReadOnly: []string{"id", "owner"}, Problems: []Kind{NotFound, Conflict},
	}, h.change)
	Register(a, Operation{
		ID: "delete-thing", Method: http.MethodDelete, Path: "/v1/things/{id}", Tag: "Things", Summary: "Delete a thing", Scopes: []string{"things:write"},
	}, func(ctx context.Context, _ *byID) (*struct{}, error) { h.middle(ctx); return nil, h.failure() })
	Register(a, Operation{
		ID: "arm-thing", Method: http.MethodPost, Path: "/v1/things/{id}/arm", Tag: "Things", Summary: "Arm a thing", Scopes: []string{"things:write"},
		IssuesCredentials: true,
	}, func(ctx context.Context, _ *byID) (*struct{}, error) { h.middle(ctx); return nil, h.failure() })
	Register(a, Operation{
		ID: "watch-thing", Method: http.MethodGet, Path: "/v1/things/{id}/events", Tag: "Things", Summary: "Watch a thing", Scopes: []string{"things:read"}, Stream: true,
	}, h.watch)
	return h
}

func (h *things) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *things) middle(ctx context.Context) {
	if h.during != nil {
		h.during(ctx)
	}
}

func (h *things) made() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.names)
}

// create is like a store that says of a write, which it makes, that its caller is gone.
func (h *things) create(ctx context.Context, in *thingInput) (*thingOutput, error) {
	h.began <- struct{}{}
	h.middle(ctx)
	if h.block != nil {
		<-h.block
	}
	if err := h.failure(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.names = append(h.names, in.Body.Name)
	return &thingOutput{ETag: ETag(1), Body: thing{ID: fmt.Sprintf("thing_%d", len(h.names)), Name: in.Body.Name, Tags: in.Body.Tags}}, ctx.Err()
}

func (h *things) list(ctx context.Context, in *thingList) (*List[thing], error) {
	return Paginate(ctx, in.Page, Source[int]{
		Page: func(_ context.Context, after string, limit int) ([]int, error) {
			first := 1
			if after != "" {
				_, _ = fmt.Sscanf(after, "thing_%d", &first)
				first++
			}
			var ids []int
			for id := first; id <= h.made() && len(ids) < limit; id++ {
				ids = append(ids, id)
			}
			return ids, h.failure()
		},
		ID:    func(id int) string { return fmt.Sprintf("thing_%d", id) },
		Count: func(context.Context) (int, error) { return h.made(), nil },
	}, func(id int) thing { return thing{ID: fmt.Sprintf("thing_%d", id)} })
}

func (h *things) get(ctx context.Context, in *byID) (*thingOutput, error) {
	h.middle(ctx)
	if in.ID == "panic" {
		panic("a bug with " + in.ID)
	}
	if in.ID == "missing" {
		return nil, Refuse(NotFound, "")
	}
	return &thingOutput{ETag: ETag(3), Body: thing{ID: in.ID}}, h.failure()
}

func (h *things) change(ctx context.Context, in *thingPatch) (*thingOutput, error) {
	h.middle(ctx)
	version, err := in.Version()
	if err != nil {
		return nil, err
	}
	if version != 0 && version != 3 {
		return nil, in.Failed()
	}
	said := fmt.Sprintf("name %v/%v/%q tags %v/%v/%q", in.Body.Name.Set, in.Body.Name.Null, in.Body.Name.Value, in.Body.Tags.Set, in.Body.Tags.Null, in.Body.Tags.Value)
	return &thingOutput{ETag: ETag(4), Body: thing{ID: in.ID, Name: said}}, h.failure()
}

func (h *things) watch(_ context.Context, in *byID) (*Events, error) {
	if in.ID == "missing" {
		return nil, Refuse(NotFound, "")
	}
	return Stream(func(ctx context.Context, send func(Event) error) error {
		defer func() { h.ended <- struct{}{} }()
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case e, open := <-h.event:
				if !open {
					return nil
				}
				if err := send(e); err != nil {
					return err
				}
			}
		}
	}), nil
}

// reply is an answer that was read.
type reply struct {
	*http.Response
	body string
}

// ask sends a request; headers are "Name: value".
func (w *world) ask(method, path, body string, headers ...string) reply {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{resp, string(got)}
}

const (
	asAlice  = "Authorization: Bearer alice"
	asBob    = "Authorization: Bearer bob"
	asReader = "Authorization: Bearer reader"
	asCarol  = "Authorization: Bearer carol"
	sendJSON = "Content-Type: application/json"
)

// problem reads a problem, and checks what all of them have.
func (w *world) problem(r reply) document {
	w.t.Helper()
	var d document
	if err := json.Unmarshal([]byte(r.body), &d); err != nil {
		w.t.Fatalf("%d is no problem: %v: %s", r.StatusCode, err, r.body)
	}
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		w.t.Errorf("Content-Type = %q", got)
	}
	if d.Status != r.StatusCode || d.Title == "" || d.Detail == "" || !strings.HasPrefix(d.Instance, "urn:watchgate:request:") {
		w.t.Errorf("incomplete: %s", r.body)
	}
	if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("X-Request-Id") == "" {
		w.t.Errorf("headers of the edge are missing: %v", r.Header)
	}
	return d
}

// refused checks kind and fields ("in:name").
func (w *world) refused(r reply, kind Kind, fields ...string) document {
	w.t.Helper()
	d := w.problem(r)
	if d.Type != kind.uri() || r.StatusCode != kind.Status() {
		w.t.Errorf("got %d %s, want %d %s: %s", r.StatusCode, d.Type, kind.Status(), kind.uri(), r.body)
	}
	got := map[string]bool{}
	for _, f := range d.Errors {
		got[f.In+":"+f.Field] = true
		if f.Detail == "" {
			w.t.Errorf("no detail of %s: %s", f.Field, r.body)
		}
	}
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, slices.Sorted(slices.Values(fields))) {
		w.t.Errorf("fields %v, want %v", names, fields)
	}
	return d
}
