package devidp

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/templates"
)

// request is an authorization request whose client and redirect URI are proven.
type request struct {
	client      Client
	redirectURI string
	state       string
	nonce       string
	challenge   string
	scopes      []string
	hint        string
	contexts    []string // acr_values
}

// session is one authentication, as its tokens see it.
type session struct {
	person   person
	client   string
	scopes   []string
	nonce    string
	authTime time.Time
	mfa      bool
	sid      string // of this authentication: nobody stays signed in here
}

// code is what an authorization code stands for.
type code struct {
	session
	redirectURI string
	challenge   string
}

// refusal is an error that the client is told (RFC 6749 section 4.1.2.1).
type refusal struct{ code, description string }

// authorize checks a request and keeps it for the page; its parameters stay out
// of the page's URL.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	form, ok := parameters(r)
	client, known := p.clients[form.Get("client_id")]
	uri := form.Get("redirect_uri")
	if !ok || !known || !slices.Contains(client.RedirectURIs, uri) {
		p.problem(w, r, http.StatusBadRequest, "Check client_id and redirect_uri of the connection: both must be registered here as they were sent.")
		return
	}
	req := request{
		client: client, redirectURI: uri, state: form.Get("state"), nonce: form.Get("nonce"),
		challenge: form.Get("code_challenge"), scopes: strings.Fields(form.Get("scope")), hint: form.Get("login_hint"),
		contexts: strings.Fields(form.Get("acr_values")),
	}
	if no := refuse(form, req); no != nil {
		p.redirect(w, r, req, url.Values{"error": {no.code}, "error_description": {no.description}})
		return
	}
	handle, ok := p.pending.put(req)
	if !ok {
		p.redirect(w, r, req, url.Values{"error": {"temporarily_unavailable"}})
		return
	}
	http.Redirect(w, r, "/authorize/"+handle, http.StatusSeeOther)
}

// parameters reads the query or the body; false when something is there twice.
func parameters(r *http.Request) (url.Values, bool) {
	if err := r.ParseForm(); err != nil {
		return nil, false
	}
	form := r.Form
	for _, values := range form {
		if len(values) > 1 {
			return form, false
		}
	}
	return form, true
}

// refuse returns why a proven client does not get a sign-in page.
func refuse(form url.Values, req request) *refusal {
	prompts := strings.Fields(form.Get("prompt"))
	switch {
	case form.Get("request") != "":
		return &refusal{"request_not_supported", "request objects are not supported"}
	case form.Get("request_uri") != "":
		return &refusal{"request_uri_not_supported", "request objects are not supported"}
	case form.Get("response_type") != "code":
		return &refusal{"unsupported_response_type", "only code is supported"}
	case !slices.Contains([]string{"", "query"}, form.Get("response_mode")):
		return &refusal{"invalid_request", "only response_mode query is supported"}
	case !slices.Contains(req.scopes, "openid"):
		return &refusal{"invalid_scope", "the scope openid is needed"}
	case form.Get("code_challenge_method") != "S256" || len(req.challenge) != 43:
		return &refusal{"invalid_request", "PKCE with S256 is needed"}
	case !wellFormedAge(form.Get("max_age")):
		return &refusal{"invalid_request", "max_age is a number of seconds"}
	case slices.Contains(prompts, "none") && len(prompts) > 1:
		return &refusal{"invalid_request", "prompt none stands alone"}
	case slices.Contains(prompts, "none"):
		return &refusal{"login_required", "nobody stays signed in here"}
	}
	return nil
}

// wellFormedAge: any max_age is met, because every authentication is fresh.
func wellFormedAge(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return s == "" || err == nil
}

// page shows the people of the asking client's tenant.
func (p *provider) page(w http.ResponseWriter, r *http.Request) {
	req, ok := p.pending.get(r.PathValue("handle"))
	if !ok {
		p.expired(w, r)
		return
	}
	var buf bytes.Buffer
	err := templates.DemoIDP(&buf, templates.DemoIDPPage{
		Action: r.URL.Path, AppName: "Watchgate", Hint: req.hint, People: shown(peopleOf(req.client.tenant())),
	})
	p.write(w, http.StatusOK, &buf, err)
}

// choose takes the pending request and answers it with the chosen person.
func (p *provider) choose(w http.ResponseWriter, r *http.Request) {
	form, ok := parameters(r)
	login, without := form.Get(templates.FieldDemoUser), form.Get(templates.FieldDemoUserNoMFA)
	req, pending := p.pending.get(r.PathValue("handle"))
	if !pending {
		p.expired(w, r)
		return
	}
	who, known := find(req.client.tenant(), login+without)
	if !ok || !known {
		p.problem(w, r, http.StatusBadRequest, "Go back and choose one of the people on the page.")
		return
	}
	if _, mine := p.pending.take(r.PathValue("handle")); !mine {
		p.expired(w, r)
		return
	}
	s := session{
		person: who, client: req.client.ID, scopes: req.scopes, nonce: req.nonce, authTime: p.now(), mfa: without == "", sid: rand.Text(),
	}
	if !s.meets(req.contexts) {
		p.redirect(w, r, req, url.Values{"error": {"unmet_authentication_requirements"}, "error_description": {"the person did not use a second factor"}})
		return
	}
	p.answer(w, r, req, s)
}

// acr is the authentication context of the session.
func (s session) acr() string {
	if s.mfa {
		return acrMFA
	}
	return acrPassword
}

// meets reports whether the session is of one of the contexts that were asked for;
// those that this provider does not know ask for nothing. A person who was asked for a
// second factor and uses none is no answer (OpenID Connect Unmet Authentication
// Requirements section 2).
func (s session) meets(contexts []string) bool {
	known := slices.DeleteFunc(slices.Clone(contexts), func(c string) bool { return c != acrMFA && c != acrPassword })
	return len(known) == 0 || slices.Contains(known, s.acr())
}

// answer sends the browser back with a code.
func (p *provider) answer(w http.ResponseWriter, r *http.Request, req request, s session) {
	handle, ok := p.codes.put(code{session: s, redirectURI: req.redirectURI, challenge: req.challenge})
	if !ok {
		p.redirect(w, r, req, url.Values{"error": {"temporarily_unavailable"}})
		return
	}
	p.redirect(w, r, req, url.Values{"code": {handle}})
}

// redirect adds state and iss (RFC 9207) to an authorization response.
func (p *provider) redirect(w http.ResponseWriter, r *http.Request, req request, params url.Values) {
	if req.state != "" {
		params.Set("state", req.state)
	}
	params.Set("iss", p.issuer)
	sep := "?"
	if strings.Contains(req.redirectURI, "?") {
		sep = "&"
	}
	http.Redirect(w, r, req.redirectURI+sep+params.Encode(), http.StatusSeeOther)
}

func (p *provider) expired(w http.ResponseWriter, r *http.Request) {
	p.problem(w, r, http.StatusBadRequest, "This sign-in was finished or took longer than ten minutes. Go back to the app and start again.")
}

// problem is for what no client can be told: the redirect URI is not proven.
func (p *provider) problem(w http.ResponseWriter, _ *http.Request, status int, todo string) {
	page := templates.NewErrorPage("invalid_request", "")
	page.Happened, page.Todo = "The demo identity provider cannot use this request.", todo
	var buf bytes.Buffer
	err := templates.Error(&buf, page)
	p.write(w, status, &buf, err)
}

func (p *provider) write(w http.ResponseWriter, status int, page *bytes.Buffer, err error) {
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	// The status is written: a browser that went away is nobody to tell.
	_, _ = page.WriteTo(w)
}
