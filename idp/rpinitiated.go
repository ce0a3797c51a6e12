package idp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// HintReader is an [Authorizer] that knows its own ID tokens.
type HintReader interface {
	// SignOutHint returns what an id_token_hint says. An error: it is none of ours, or
	// nobody could tell.
	SignOutHint(ctx context.Context, raw string) (storage.SignOutHint, error)
}

const (
	// signOutCookie carries what an app posted over to our own page: the post itself
	// came from another site, and without our cookies.
	signOutCookie = "wg_logout"
	// signOutWaits is how long a request to sign out may wait for its answer.
	signOutWaits = 10 * time.Minute
	// maxSignOutState bounds the app's state, and maxSignOutCookie a request of which it
	// is a part, in bytes: browsers keep cookies of 4096.
	maxSignOutState  = 2000
	maxSignOutCookie = 3800
)

// signOutFields are the parameters of a request to sign out (OpenID Connect
// RP-Initiated Logout 1.0 section 2). Of logout_hint we make nothing.
var signOutFields = []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales"}

// signOutRequest is what an app asks for, as far as it was proved. The zero value is a
// person who comes by themselves.
type signOutRequest struct {
	Client  storage.ClientID    `json:"client,omitempty"`
	Hint    storage.SignOutHint `json:"hint,omitzero"` // zero: none that can be believed
	Return  string              `json:"return,omitempty"`
	State   string              `json:"state,omitempty"`
	Refused bool                `json:"refused,omitempty"` // something that it says does not hold
	At      time.Time           `json:"at,omitzero"`
}

// readSignOut reads a request. What does not hold is left out, and the person is asked:
// nothing of it is acted on, and nobody is sent anywhere by it (LO-02).
func (s *Server) readSignOut(ctx context.Context, fields web.Form) (signOutRequest, error) {
	for _, name := range signOutFields {
		if len(fields.Repeated[name]) > 0 {
			return signOutRequest{}, refuse("bad_request", errors.New(name+" is repeated"))
		}
	}
	if len(fields.Get("state")) > maxSignOutState {
		return signOutRequest{}, refuse("bad_request", errors.New("the state is too long"))
	}
	req := signOutRequest{
		Client: storage.ClientID(fields.Get("client_id")), Return: fields.Get("post_logout_redirect_uri"), State: fields.Get("state"), At: s.now(),
	}
	raw := fields.Get("id_token_hint")
	if raw == "" {
		return req, nil
	}
	hint, err := s.readHint(ctx, raw)
	if err != nil || req.Client != "" && req.Client != hint.Client {
		web.Annotate(ctx, "sign_out_hint", "not believed")
		return signOutRequest{Refused: true, At: req.At}, nil
	}
	req.Hint, req.Client = hint, hint.Client
	return req, nil
}

func (s *Server) readHint(ctx context.Context, raw string) (storage.SignOutHint, error) {
	reader, ok := s.authorizer.(HintReader)
	if !ok {
		return storage.SignOutHint{}, errors.New("idp: the authorizer reads no hints")
	}
	return reader.SignOutHint(ctx, raw)
}

// signingOut is a request with what it is about, as it is now.
type signingOut struct {
	signOutRequest
	app  storage.Client        // zero: none that we know
	all  []storage.LiveSession // of this browser, whatever their state
	live []storage.LiveSession // of those, who is signed in, or nearly
}

// lookUp reads the app and the sessions of this browser. Where the app is not one that
// may have people sent back, or never registered that it wants them there, they stay
// here (LO-04).
func (s *Server) lookUp(r *http.Request, req signOutRequest) (signingOut, error) {
	out := signingOut{signOutRequest: req}
	var err error
	if req.Client == "" {
		out.all, err = s.sessions(r)
	} else {
		out.app, out.all, err = s.cfg.Store.AuthorizeView(r.Context(), req.Client, "", "", s.Handles(r))
	}
	if errors.Is(err, storage.ErrNotFound) {
		out.app = storage.Client{}
		out.all, err = s.sessions(r)
	}
	if err != nil {
		return signingOut{}, away(err)
	}
	out.live = standing(out.all, s.now())
	known := out.app.ID != "" && out.app.DisabledAt.IsZero()
	if req.Client != "" && !known || req.Return != "" && !slices.Contains(out.app.PostLogoutRedirectURIs, req.Return) {
		web.Annotate(r.Context(), "sign_out_return", "not registered for the app")
		out.Return, out.State, out.Refused = "", "", true
	}
	return out, nil
}

// named returns the session of this browser that the hint is about, current or over.
func (o signingOut) named() (storage.LiveSession, bool) {
	i := slices.IndexFunc(o.all, func(l storage.LiveSession) bool {
		return o.Hint.Session != "" && l.ID == o.Hint.Session && l.User == o.Hint.User
	})
	if i < 0 {
		return storage.LiveSession{}, false
	}
	return o.all[i], true
}

// atOnce reports whether nobody has to be asked: the app has an ID token of this very
// session, all that it says holds, and the browser itself has come here. An image or a
// frame of another page has not (LO-06).
func (o signingOut) atOnce(r *http.Request) bool {
	_, here := o.named()
	dest := r.Header.Get("Sec-Fetch-Dest")
	return here && !o.Refused && (dest == "" || dest == "document")
}

// ends are the sessions that end when the person says yes: the one that the app means,
// or else all of this browser.
func (o signingOut) ends() []storage.LiveSession {
	if l, here := o.named(); here && slices.ContainsFunc(o.live, func(live storage.LiveSession) bool { return live.ID == l.ID }) {
		return []storage.LiveSession{l}
	}
	return o.live
}

// back is where the app wants the person afterwards, with its state (section 3); "":
// they stay here.
func (o signingOut) back() string {
	if o.Return == "" || o.State == "" {
		return o.Return
	}
	u, err := url.Parse(o.Return)
	if err != nil {
		return ""
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "state=" + url.QueryEscape(o.State)
	return u.String()
}

// sealed is a request in a form or a cookie, where nobody can change it.
func (s *Server) sealed(req signOutRequest) string {
	raw, err := json.Marshal(req)
	if err != nil {
		return "" // texts and times always encode
	}
	payload := base64.RawURLEncoding.EncodeToString(raw)
	return payload + "." + s.signOutMAC("sign-out request", payload)
}

// opened is what sealed made; false for anything else, and for what waited too long.
func (s *Server) opened(value string) (signOutRequest, bool) {
	payload, mac, _ := strings.Cut(value, ".")
	var req signOutRequest
	if !hmac.Equal([]byte(mac), []byte(s.signOutMAC("sign-out request", payload))) {
		return req, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(raw, &req) != nil {
		return signOutRequest{}, false
	}
	return req, s.now().Before(req.At.Add(signOutWaits))
}

// signOutMAC authenticates texts for one use of this server's own.
func (s *Server) signOutMAC(use string, texts ...string) string {
	mac := hmac.New(sha256.New, s.cfg.CookieKey)
	mac.Write([]byte(use + "\x00"))
	for _, t := range texts {
		mac.Write([]byte(t + "\x00"))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// carry takes what an app posted over to the page of our own: a post of another site
// comes without our cookies, and what it leads to comes with them. The request is in a
// cookie and not in the page's URL.
func (s *Server) carry(w http.ResponseWriter, r *http.Request, fields web.Form) error {
	asked := slices.ContainsFunc(signOutFields, func(name string) bool { return fields.Get(name) != "" })
	if asked {
		req, err := s.readSignOut(r.Context(), fields)
		if err != nil {
			return err
		}
		o, err := s.lookUp(r, req)
		if err != nil {
			return err
		}
		// What is not known here may be of any length.
		req.Client, req.Return, req.State, req.Refused = o.app.ID, o.Return, o.State, o.Refused
		if len(s.sealed(req)) > maxSignOutCookie {
			req.Return, req.State, req.Refused = "", "", true
		}
		if err := s.cookies.put(w, r, signOutCookie, s.sealed(req)); err != nil {
			return err
		}
	}
	http.Redirect(w, r, s.path+"/oauth2/logout", http.StatusSeeOther)
	return nil
}

// carried returns what carry left, once.
func (s *Server) carried(w http.ResponseWriter, r *http.Request) (signOutRequest, error) {
	cookie, err := r.Cookie(s.cookies.name(signOutCookie))
	if err != nil {
		return signOutRequest{At: s.now()}, nil
	}
	req, ok := s.opened(cookie.Value)
	if !ok {
		req = signOutRequest{Refused: true, At: s.now()}
	}
	return req, s.cookies.drop(w, r, signOutCookie)
}
