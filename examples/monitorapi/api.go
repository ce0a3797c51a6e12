package monitorapi

import (
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The scopes of this API, beside scopeAll.
const (
	scopeRead   = "monitor:read"
	scopeAlert  = "alert:write"
	scopeConfig = "config:admin"
)

// metadataPath is where RFC 9728 looks for what this resource server needs.
const metadataPath = "/.well-known/oauth-protected-resource"

type api struct {
	guard
	issuer string
	estate *estate
	now    func() time.Time
}

func newAPI(cfg Config) *api {
	return &api{
		guard: guard{
			introspector: introspector{
				url: cfg.IntrospectURL, issuer: cfg.Issuer, id: cfg.ResourceServerID, secret: cfg.Secret, http: cfg.HTTPClient,
			},
			base: cfg.BaseURL, log: cfg.Log,
		},
		issuer: cfg.Issuer, estate: newEstate(cfg.Now), now: cfg.Now,
	}
}

// call is a call that passed the guard.
type call struct {
	*http.Request
	credential
	data *tenantData
}

// operation is what a method of a path does, and the scope that it needs.
type operation struct {
	scope string
	do    func(w http.ResponseWriter, c call)
}

func (a *api) mount(mux *http.ServeMux) {
	for path, operations := range map[string]map[string]operation{
		"monitors": {http.MethodGet: {scopeRead, a.monitors}},
		"checks":   {http.MethodGet: {scopeRead, a.checks}},
		"alerts":   {http.MethodGet: {scopeRead, a.alerts}, http.MethodPost: {scopeAlert, a.createAlert}},
		"config":   {http.MethodGet: {scopeRead, a.settings}, http.MethodPut: {scopeConfig, a.replaceSettings}},
	} {
		mux.Handle("/t/{tenant}/"+path, a.resource(operations))
	}
	mux.HandleFunc("/t/", func(w http.ResponseWriter, _ *http.Request) { a.refuse(w, notFound) })
	mux.HandleFunc("GET "+metadataPath, a.metadata)
}

// resource answers the methods of one path, after the guard.
func (a *api) resource(operations map[string]operation) http.Handler {
	allow := strings.Join(slices.Sorted(maps.Keys(operations)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet // net/http leaves the body out
		}
		op, ok := operations[method]
		if !ok {
			w.Header().Set("Allow", allow)
			writeJSON(w, http.StatusMethodNotAllowed, problem("method_not_allowed", "this path knows "+allow))
			return
		}
		tenant := r.PathValue("tenant")
		cred, no := a.check(r, tenant, op.scope)
		if no != nil {
			a.refuse(w, no)
			return
		}
		op.do(w, call{Request: r, credential: cred, data: a.estate.tenant(tenant)})
	})
}

func problem(code, description string) map[string]string {
	return map[string]string{"error": code, "error_description": description}
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
		"scopes_supported":         []string{scopeRead, scopeAlert, scopeConfig, scopeAll},
		"bearer_methods_supported": []string{"header"},
		"resource_name":            "Demo monitoring API",
	})
}
