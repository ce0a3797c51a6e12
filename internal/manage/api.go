package manage

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// Codes are the product's own words for a 401 and a 403, in the member "code" of
// problems. "" leaves the member out.
type Codes struct{ Unauthenticated, Forbidden string }

// Config is what the frame needs.
type Config struct {
	Issuer  string // the deployment's; https says that callers speak https
	Version string // of the program, shown in the API's description
	Auth    Authenticator
	Opener  storage.TenantOpener
	// Tenants is needed where an operation issues credentials.
	Tenants Tenants
	Sealer  *seal.Sealer
	Now     func() time.Time
	Codes   Codes
	Log     *slog.Logger // nil: nothing is logged
	// Scopes are sentences for scopes, for the description; may be nil.
	Scopes map[string]string
	// Done is closed when the server shuts down: streams end then. nil: never.
	Done <-chan struct{}
	// Tick is a ticker and how to stop it, for streams; nil: the system's.
	Tick func(time.Duration) (<-chan time.Time, func())
}

// API is the management API. Register everything before the first request.
//
// A request goes through these steps (see serve.go), and no operation can leave
// one out:
//
//  1. the credential: one, and in a header (AK-08);
//  2. who it stands for, whether they have the operation's scopes, and, where it
//     issues credentials, whether they proved a second factor;
//  3. the request's form: parameters, headers, media types, one JSON value;
//  4. whether it was answered before (Idempotency-Key);
//  5. the fields, by the operation's types;
//  6. the operation; one that changes something goes on to its end although its
//     caller is gone (see detached);
//  7. the answer, written as a whole.
type API struct {
	cfg  Config
	mux  *web.Mux
	huma huma.API

	streams streamCount
	cursors [][]byte // keys of cursors, the newest first

	describe sync.Once
	openapi  described
}

// New returns the API on an edge, with its description (/v1/openapi.json,
// /v1/docs, /v1/context.jsonld) and GET /v1/auth/whoami.
func New(mux *web.Mux, cfg Config) *API {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Tick == nil {
		cfg.Tick = systemTick
	}
	a := &API{cfg: cfg, mux: mux, cursors: cfg.Sealer.Keys("cursor"), streams: streamCount{open: map[string]int{}}}
	mux.ErrorsUnder("/v1/", a.write)
	a.huma = huma.NewAPI(a.humaConfig(), adapter{a})
	a.serveDescription()
	a.registerWhoami()
	return a
}

func systemTick(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(d)
	return t.C, t.Stop
}

// humaConfig has none of huma's own routes, links or formats.
func (a *API) humaConfig() huma.Config {
	return huma.Config{
		OpenAPI: a.outline(),
		Formats: map[string]huma.Format{
			mediaJSON: {Marshal: marshalJSON, Unmarshal: unmarshalJSON},
			"json":    {Marshal: marshalJSON, Unmarshal: unmarshalJSON}, // what +json is read with
			mediaLD:   {Marshal: marshalLD, Unmarshal: unmarshalJSON},
		},
		DefaultFormat:                mediaJSON,
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{catchHumaError},
	}
}

func init() {
	// A name in another spelling is another name. The library has this as a
	// setting of the process.
	huma.ValidateStrictCasing = true
}

// Operation is what one operation says about itself.
type Operation struct {
	ID      string // "create-key": what programs made from the description call it
	Method  string
	Path    string // "/v1/auth/keys/{id}"
	Summary string
	// Description may have paragraphs, and `code`.
	Description string
	Tag         string // the heading under which it is described

	// The decision who may: exactly one of Scopes and AnyCredential is given.
	Scopes        []string // all of them are needed
	AnyCredential bool     // whatever is live will do
	// Self lets a key without those scopes act on itself: {id} in Path is its own.
	Self bool

	// IssuesCredentials: of a person it wants what their tenant's policy asks of those who
	// issue credentials, a second factor that was proved lately.
	IssuesCredentials bool

	Status int // of success; 0: 200 with a body, 204 without
	// Idempotent gives a POST the header Idempotency-Key.
	Idempotent bool
	Stream     bool // the answer is [Events]
	// ReadOnly are fields that a body may not have although the object has them.
	ReadOnly []string
	// Problems are the kinds that the operation answers with, beside those that any
	// may meet.
	Problems []Kind
}

const metadataKey = "watchgate"

// Register adds an operation. A description that decides nothing about who may
// call it, or that contradicts itself, is a programming error and panics.
func Register[I, O any](a *API, op Operation, h func(ctx context.Context, input *I) (*O, error)) {
	op.check()
	if op.IssuesCredentials && a.cfg.Tenants == nil {
		panic("manage.Register: " + op.ID + " issues credentials, and Config.Tenants is nil")
	}
	caught := func(ctx context.Context, input *I) (*O, error) {
		out, err := h(ctx, input)
		if err != nil {
			callFrom(ctx).refuse(err)
		}
		return out, err
	}
	huma.Register(a.huma, a.humaOperation(op), caught)
	a.finish(op)
}

// check panics for what would be served in a way that nobody decided.
func (op Operation) check() {
	bad := func(why string) { panic("manage.Register: " + op.ID + " " + why) }
	switch {
	case op.ID == "" || op.Summary == "":
		bad("has no id or no summary")
	case !strings.HasPrefix(op.Path, "/v1/"):
		bad("is not under /v1/")
	case op.AnyCredential == (len(op.Scopes) > 0):
		bad("does not decide who may call it: give Scopes or AnyCredential, not both")
	case op.Self && !strings.Contains(op.Path, "/{id}"):
		bad("has Self and no {id} in its path")
	case op.Idempotent && op.Method != http.MethodPost:
		bad("is Idempotent and no POST")
	case op.Stream && op.Method != http.MethodGet:
		bad("is a Stream and no GET")
	}
	for _, k := range op.Problems {
		if _, known := kinds[k]; !known {
			bad("names an unknown kind of problem, " + string(k))
		}
	}
}

// adapter is how huma reaches the edge: no operation gets there but through serve.
type adapter struct{ api *API }

// Handle registers an operation that came through [Register].
func (d adapter) Handle(op *huma.Operation, next func(huma.Context)) {
	own, ok := op.Metadata[metadataKey].(Operation)
	if !ok {
		panic("manage: " + op.Path + " was not registered through manage.Register")
	}
	r := &route{api: d.api, op: own, query: queryNames(op), media: bodyMedia(op), next: func(rec *recorder, r *http.Request) {
		next(humago.NewContext(op, r, rec))
	}}
	d.api.mux.API(own.Method+" "+own.Path, r.serve)
}

// ServeHTTP is the edge's.
func (d adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.api.mux.ServeHTTP(w, r) }

// queryNames are the query parameters that an operation knows.
func queryNames(op *huma.Operation) map[string]bool {
	names := map[string]bool{}
	for _, p := range op.Parameters {
		if p.In == "query" {
			names[p.Name] = true
		}
	}
	return names
}

// bodyMedia are the media types of an operation's body, none when it takes none.
func bodyMedia(op *huma.Operation) []string {
	if op.RequestBody == nil {
		return nil
	}
	media := slices.Sorted(maps.Keys(op.RequestBody.Content))
	if slices.Contains(media, mediaPatch) && !slices.Contains(media, mediaJSON) {
		media = append(media, mediaJSON)
	}
	return media
}
