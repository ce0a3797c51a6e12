package monitorapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/introspect/guard"
)

// The scopes of this API.
const (
	scopeRead   = "monitor:read"
	scopeAlert  = "alert:write"
	scopeConfig = "config:admin"
	scopeAll    = "monitoring:admin" // implies the others
)

// metadataPath is where RFC 9728 looks for what this resource server needs.
const metadataPath = "/.well-known/oauth-protected-resource"

type api struct {
	guard  *guard.Guard
	issuer string
	base   string
	estate *estate
	now    func() time.Time

	// resources are served in place of the monitoring of the demonstration.
	resources []Resource
	shelves   *shelves
	scopes    []string
}

// newAPI makes the guard that every call passes. Its errors are mistakes of the
// configuration.
func newAPI(cfg Config) (*api, error) {
	g, err := guard.New(guard.Config{
		Issuer: cfg.Issuer, Endpoint: cfg.IntrospectURL, ClientID: cfg.ResourceServerID, Secret: cfg.Secret,
		Realm: "monitoring", ResourceMetadata: cfg.BaseURL + metadataPath, NotFound: http.HandlerFunc(notFound),
		Observe: func(ctx context.Context, e guard.Event) {
			if e.Decision == guard.Unavailable {
				cfg.Log.ErrorContext(ctx, "a token could not be checked", slog.Any("err", e.Err))
			}
		},
		Now: cfg.Now, APIKeyHeader: true, Errors: cfg.Errors, RequireHTTPS: cfg.RequireHTTPS,
	})
	if err != nil {
		return nil, err
	}
	return &api{
		guard: g, issuer: cfg.Issuer, base: cfg.BaseURL, estate: newEstate(cfg.Now), now: cfg.Now,
		resources: cfg.Resources, shelves: &shelves{of: map[[2]string]*shelf{}}, scopes: cfg.Scopes,
	}, nil
}

// call is a call that passed the guard.
type call struct {
	*http.Request
	guard.Principal
	data *tenantData
}

// operation is what a method of a path does, and the scope that it needs.
type operation struct {
	scope string
	do    func(w http.ResponseWriter, c call)
}

func (a *api) mount(mux *http.ServeMux) {
	for _, r := range a.resources {
		a.mountResource(mux, r)
	}
	if len(a.resources) == 0 {
		for path, operations := range map[string]map[string]operation{
			"monitors": {http.MethodGet: {scopeRead, a.monitors}},
			"checks":   {http.MethodGet: {scopeRead, a.checks}},
			"alerts":   {http.MethodGet: {scopeRead, a.alerts}, http.MethodPost: {scopeAlert, a.createAlert}},
			"config":   {http.MethodGet: {scopeRead, a.settings}, http.MethodPut: {scopeConfig, a.replaceSettings}},
		} {
			a.mountOperations(mux, path, operations)
		}
	}
	mux.HandleFunc("/t/", notFound)
	mux.HandleFunc("GET "+metadataPath, a.metadata)
}

// mountOperations adds what the methods of one path do.
func (a *api) mountOperations(mux *http.ServeMux, path string, operations map[string]operation) {
	for method, op := range operations {
		mux.Handle(method+" /t/{tenant}/"+path, a.guarded(op))
	}
	mux.Handle("/t/{tenant}/"+path, methodNotAllowed(slices.Sorted(maps.Keys(operations))))
}

// guarded lets a call through to an operation whose token has the operation's scope,
// or the one that implies all, for the tenant in the path. The data is that of the
// tenant that the token is for.
func (a *api) guarded(op operation) http.Handler {
	protect := a.guard.Require(op.scope, guard.PathValue("tenant"), guard.OrScope(scopeAll))
	return protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := guard.PrincipalFrom(r.Context())
		op.do(w, call{Request: r, Principal: who, data: a.estate.tenant(who.Tenant)})
	}))
}

func methodNotAllowed(methods []string) http.Handler {
	allow := strings.Join(methods, ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		writeJSON(w, http.StatusMethodNotAllowed, problem("method_not_allowed", "this path knows "+allow))
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusNotFound, problem("not_found", "there is nothing here for this credential"))
}

func problem(code, description string) map[string]string {
	return map[string]string{"error": code, "error_description": description}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The status is written: a client that went away is nobody to tell.
	_, _ = w.Write(append(body, '\n'))
}

func (a *api) monitors(w http.ResponseWriter, c call) {
	writeJSON(w, http.StatusOK, map[string]any{"monitors": c.data.listMonitors(a.now())})
}

func (a *api) checks(w http.ResponseWriter, c call) {
	writeJSON(w, http.StatusOK, map[string]any{"checks": c.data.checks(a.now())})
}

func (a *api) alerts(w http.ResponseWriter, c call) {
	writeJSON(w, http.StatusOK, map[string]any{"alerts": c.data.listAlerts()})
}

func (a *api) createAlert(w http.ResponseWriter, c call) {
	var in struct {
		Monitor string `json:"monitor"`
		Message string `json:"message"`
	}
	if !readJSON(w, c.Request, &in) {
		return
	}
	if in.Message == "" || len(in.Message) > 500 || !c.data.has(in.Monitor) {
		writeJSON(w, http.StatusUnprocessableEntity, problem("invalid_alert", "monitor is the id of a monitor, message has 1 to 500 bytes"))
		return
	}
	writeJSON(w, http.StatusCreated, c.data.alert(Alert{
		Monitor: in.Monitor, Message: in.Message, State: "open", CreatedAt: a.now().UTC(), CreatedBy: c.Subject,
	}))
}

func (a *api) settings(w http.ResponseWriter, c call) {
	writeJSON(w, http.StatusOK, c.data.getSettings())
}

func (a *api) replaceSettings(w http.ResponseWriter, c call) {
	var in Settings
	if !readJSON(w, c.Request, &in) {
		return
	}
	if in.IntervalSeconds < 10 || in.IntervalSeconds > 86400 || len(in.NotifyEmail) > 254 {
		writeJSON(w, http.StatusUnprocessableEntity, problem("invalid_config", "interval_seconds is 10 to 86400, notify_email at most 254 bytes"))
		return
	}
	c.data.setSettings(in)
	writeJSON(w, http.StatusOK, in)
}

// readJSON reads one JSON object with known members, and writes the refusal.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		writeJSON(w, http.StatusUnsupportedMediaType, problem("unsupported_media_type", "the body is application/json"))
		return false
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if _, end := d.Token(); err != nil || end != io.EOF {
		writeJSON(w, http.StatusBadRequest, problem("invalid_json", "the body is one JSON object with known members, at most 16 KB"))
		return false
	}
	return true
}

// metadata is RFC 9728 section 2.
func (a *api) metadata(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"resource":                 a.base + "/",
		"authorization_servers":    []string{a.issuer},
		"scopes_supported":         a.scopes,
		"bearer_methods_supported": []string{"header"},
		"resource_name":            "Demo monitoring API",
	})
}
