package account

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// visit is one request of somebody who is signed in at the tenant that the path names.
type visit struct {
	w http.ResponseWriter
	r *http.Request
	// live is the session of this browser in that tenant.
	live storage.LiveSession
	// several: this browser is signed in at other tenants, too.
	several bool
}

// page shows something; form does what was posted.
type (
	page func(v visit) error
	form func(v visit, fields web.Form) error
)

// touchEvery is how often activity is written down.
const touchEvery = time.Minute

// shown is a page for whoever is signed in. Others are led to the sign-in.
func (p *Pages) shown(show page) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, ok, err := p.visit(w, r)
		if !ok || err != nil {
			return err
		}
		return show(v)
	}
}

// taken is a form of whoever is signed in, with the token that was written into its
// page: whoever does not have the session cannot make one (SE-10).
func (p *Pages) taken(take form) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		fields, err := web.ReadForm(w, r)
		if err != nil {
			return err
		}
		v, ok, err := p.visit(w, r)
		if !ok || err != nil {
			return err
		}
		if !p.isToken(fields.Get(templates.FieldCSRF), v.live, useForm) {
			return refuse(http.StatusForbidden, "cross_site_request", "The form is not of this session.", nil)
		}
		return take(v, fields)
	}
}

// visit finds out who is asking. False: an answer was written that leads them on: those
// who have to sign in, and those whose tenant has come to ask for more than their session
// has proved.
func (p *Pages) visit(w http.ResponseWriter, r *http.Request) (visit, bool, error) {
	all, err := p.seated(r)
	if err != nil {
		return visit{}, false, err
	}
	now, slug := p.now(), r.PathValue("tenant")
	usable := usableAt(all, now)
	here := func(l storage.LiveSession) bool { return l.Tenant.Slug == slug }
	if i := slices.IndexFunc(usable, here); i >= 0 {
		v := visit{w: w, r: r, live: usable[i], several: len(usable) > 1}
		if need := (storage.Need{Level: v.live.Tenant.Policy.RequireLevel}); !need.Met(v.live.Session) {
			return visit{}, false, p.cfg.People.StepUp(w, r, v.live, need, storage.PurposeNone, p.backTo(v))
		}
		return v, true, p.touch(v)
	}
	if i := slices.IndexFunc(all, func(l storage.LiveSession) bool { return here(l) && !l.Pending && !l.Expired(now) }); i >= 0 {
		return visit{}, false, p.closed(all[i])
	}
	if len(usable) == 0 {
		return visit{}, false, p.signIn(w, r)
	}
	return visit{}, false, p.choice(w, usable, http.StatusNotFound)
}

// backTo is where somebody goes on who has to prove something first: to what they asked
// for, where that can be asked for again.
func (p *Pages) backTo(v visit) string {
	if v.r.Method == http.MethodGet {
		return v.r.URL.EscapedPath()
	}
	return p.base(v.live)
}

// seated are the sessions of this browser, whatever their state.
func (p *Pages) seated(r *http.Request) ([]storage.LiveSession, error) {
	handles := p.cfg.People.Handles(r)
	if len(handles) == 0 {
		return nil, nil
	}
	all, err := p.cfg.Store.SessionsByHandle(r.Context(), handles)
	if err != nil {
		return nil, away(err)
	}
	return all, nil
}

// usableAt keeps the sessions by which somebody is signed in, the oldest first.
func usableAt(all []storage.LiveSession, now time.Time) []storage.LiveSession {
	live := slices.DeleteFunc(slices.Clone(all), func(l storage.LiveSession) bool { return !l.Usable(now) })
	slices.SortFunc(live, func(a, b storage.LiveSession) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return live
}

// touch notes that somebody was there.
func (p *Pages) touch(v visit) error {
	now := p.now()
	if now.Sub(v.live.LastSeenAt) < touchEvery {
		return nil
	}
	if err := p.tenant(v).TouchSession(v.r.Context(), v.live.ID, now); err != nil {
		return away(err)
	}
	return nil
}

// signIn leads somebody to the sign-in, and back to what they asked for, where that can
// be asked for again.
func (p *Pages) signIn(w http.ResponseWriter, r *http.Request) error {
	back := p.path + "/account"
	if r.Method == http.MethodGet {
		back = r.URL.EscapedPath()
	}
	http.Redirect(w, r, p.path+"/login?"+url.Values{"return_to": {back}}.Encode(), http.StatusSeeOther)
	return nil
}

// choose leads somebody to the account that they have, or asks which of several they
// mean.
func (p *Pages) choose(w http.ResponseWriter, r *http.Request) error {
	all, err := p.seated(r)
	if err != nil {
		return err
	}
	usable := usableAt(all, p.now())
	switch len(usable) {
	case 0:
		i := slices.IndexFunc(all, func(l storage.LiveSession) bool { return !l.Pending && !l.Expired(p.now()) })
		if i >= 0 {
			return p.closed(all[i])
		}
		return p.signIn(w, r)
	case 1:
		http.Redirect(w, r, p.base(usable[0]), http.StatusSeeOther)
		return nil
	}
	return p.choice(w, usable, http.StatusOK)
}

// choice shows the accounts of this browser. To ask for a tenant at which it is not
// signed in gives 404, whether there is such a tenant or not.
func (p *Pages) choice(w http.ResponseWriter, usable []storage.LiveSession, status int) error {
	c := templates.AccountChoicePage{Missing: status == http.StatusNotFound, SignOutURL: p.path + "/oauth2/logout"}
	for _, l := range usable {
		c.Choices = append(c.Choices, templates.AccountChoice{TenantName: l.Tenant.Name, User: l.UserInfo.Email, URL: p.base(l)})
	}
	html(w)
	w.WriteHeader(status)
	return templates.AccountSwitch(w, c)
}

// base is the path of an organization's pages.
func (p *Pages) base(l storage.LiveSession) string {
	return p.path + "/account/" + url.PathEscape(l.Tenant.Slug)
}

// at is a path below those.
func (p *Pages) at(v visit, parts ...string) string {
	path := p.base(v.live)
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// tenant is the storage of the visit's tenant, and of no other.
func (p *Pages) tenant(v visit) storage.TenantStore { return p.cfg.Store.Tenant(v.live.Tenant.ID) }

// frame is what all pages of a visit have in common.
func (p *Pages) frame(v visit, tab string) templates.AccountFrame {
	f := templates.AccountFrame{
		TenantName: v.live.Tenant.Name, UserEmail: v.live.UserInfo.Email, Base: p.base(v.live), Tab: tab,
		SignOutURL: p.path + "/oauth2/logout", Notice: p.notice(v), CSRF: p.token(v.live, useForm),
	}
	if v.several {
		f.SwitchURL = p.path + "/account"
	}
	return f
}

// html announces a page.
func html(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html; charset=utf-8") }

// unknown is the answer to what is not there, and to what is somebody else's.
func unknown(cause error) error {
	return refuse(http.StatusNotFound, "not_found", "There is nothing here.", cause)
}

// missing tells what is not there from a store that is away.
func missing(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return unknown(err)
	}
	return away(err)
}
