package account

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// apps shows what acts for somebody.
func (p *Pages) apps(v visit) error {
	all, err := p.appsOf(v)
	if err != nil {
		return err
	}
	html(v.w)
	return templates.AccountApps(v.w, templates.AccountAppsPage{AccountFrame: p.frame(v, templates.AccountTabApps), Apps: all})
}

// askWithdraw says what it breaks when an app loses its access, and asks.
func (p *Pages) askWithdraw(v visit) error {
	app, err := p.app(v)
	if err != nil {
		return err
	}
	html(v.w)
	return templates.AccountWithdraw(v.w, templates.AccountWithdrawPage{
		AccountFrame: p.frame(v, ""), Action: app.WithdrawURL, CancelURL: p.at(v, "apps"), App: app,
	})
}

// withdraw takes an app's access away: every token of it is dead, and it has to ask
// anew. It takes no proof: nobody gets anything by it.
func (p *Pages) withdraw(v visit, fields web.Form) error {
	app, err := p.app(v)
	if err != nil {
		return err
	}
	if fields.Get(templates.FieldStep) != templates.StepDo {
		return p.done(v, app.WithdrawURL, "")
	}
	ctx, now, client := v.r.Context(), p.now(), storage.ClientID(app.ClientID)
	err = p.tenant(v).WithdrawConsent(ctx, v.live.User, client, now, audit.ConsentWithdrawn(ctx, now, v.live.User, client))
	if err != nil {
		return missing(err)
	}
	return p.done(v, p.at(v, "apps"), "withdrawn")
}

// app is the one that the path names, if it has access.
func (p *Pages) app(v visit) (templates.AccountApp, error) {
	all, err := p.appsOf(v)
	if err != nil {
		return templates.AccountApp{}, err
	}
	i := slices.IndexFunc(all, func(a templates.AccountApp) bool { return a.ClientID == v.r.PathValue("client") })
	if i < 0 {
		return templates.AccountApp{}, unknown(nil)
	}
	return all[i], nil
}

// access is what an app has of somebody: grants that work, and approvals that are
// remembered, by which it gets others without a question.
type access struct {
	client   storage.Client
	grants   []storage.Grant
	consents []storage.Consent
}

// appsOf are all apps that have access for the person, or get it without asking, in the
// order of their names.
func (p *Pages) appsOf(v visit) ([]templates.AccountApp, error) {
	byClient, err := p.accesses(v)
	if err != nil {
		return nil, err
	}
	rss, err := p.cfg.Store.ListResourceServers(v.r.Context())
	if err != nil {
		return nil, away(err)
	}
	var all []templates.AccountApp
	for _, id := range slices.Sorted(maps.Keys(byClient)) {
		if a := byClient[id]; len(a.grants)+len(a.consents) > 0 {
			all = append(all, p.describe(v, *a, rss))
		}
	}
	slices.SortStableFunc(all, func(a, b templates.AccountApp) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// accesses are what apps have of the person. An approval from before the app changed
// answers for nothing (AZ-31).
func (p *Pages) accesses(v visit) (map[storage.ClientID]*access, error) {
	grants, err := p.grants(v)
	if err != nil {
		return nil, err
	}
	consents, err := p.tenant(v).ListConsents(v.r.Context(), v.live.User)
	if err != nil {
		return nil, away(err)
	}
	all := map[storage.ClientID]*access{}
	of := func(id storage.ClientID) *access {
		if all[id] == nil {
			all[id] = &access{}
		}
		return all[id]
	}
	for _, g := range grants {
		of(g.Client).grants = append(of(g.Client).grants, g)
	}
	for _, c := range consents {
		of(c.Client).consents = append(of(c.Client).consents, c)
	}
	for id, a := range all {
		if a.client, err = p.client(v.r.Context(), id); err != nil {
			return nil, err
		}
		a.consents = slices.DeleteFunc(a.consents, func(c storage.Consent) bool { return c.ClientVersion != a.client.Version })
	}
	return all, nil
}

// grants are those of the person that still work: those of a session do while it does.
func (p *Pages) grants(v visit) ([]storage.Grant, error) {
	all, err := p.tenant(v).ListGrants(v.r.Context(), v.live.User, p.now())
	if err != nil {
		return nil, away(err)
	}
	others, err := p.others(v)
	if err != nil {
		return nil, err
	}
	alive := func(id storage.SessionID) bool {
		return id == "" || id == v.live.ID || slices.ContainsFunc(others, func(s storage.Session) bool { return s.ID == id })
	}
	return slices.DeleteFunc(all, func(g storage.Grant) bool { return !alive(g.Session) }), nil
}

// within are the names of the apps whose access lasts as long as a session.
func (p *Pages) within(v visit, id storage.SessionID) ([]string, error) {
	grants, err := p.grants(v)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, g := range grants {
		if g.Session == id {
			c, err := p.client(v.r.Context(), g.Client)
			if err != nil {
				return nil, err
			}
			names[nameOf(c)] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// client is a registered app, or what its id says of one that is gone.
func (p *Pages) client(ctx context.Context, id storage.ClientID) (storage.Client, error) {
	c, err := p.cfg.Store.Client(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return storage.Client{ID: id}, nil
	case err != nil:
		return c, away(err)
	}
	return c, nil
}

func nameOf(c storage.Client) string {
	if c.Name == "" {
		return string(c.ID)
	}
	return c.Name
}

// describe puts what an app has into words: what it can do, or, where it has no access at
// the moment, what it is allowed again without a question.
func (p *Pages) describe(v visit, a access, rss []storage.ResourceServer) templates.AccountApp {
	app := templates.AccountApp{
		Name: nameOf(a.client), ClientID: string(a.client.ID), Unverified: !a.client.Verified,
		WithdrawURL: p.at(v, "apps", string(a.client.ID)), Remembered: len(a.grants) == 0,
	}
	var since time.Time
	add := func(at time.Time, scopes, resource []string) {
		if since.IsZero() || at.Before(since) {
			since = at
		}
		for _, name := range scopes {
			if !slices.ContainsFunc(app.Scopes, func(s templates.ScopeItem) bool { return s.Name == name }) {
				app.Scopes = append(app.Scopes, inWords(name, resource, rss, v.live.Tenant.ID))
			}
		}
	}
	for _, g := range a.grants {
		app.Offline = app.Offline || g.Session == ""
		app.ByKey = app.ByKey || g.Key != ""
		add(g.CreatedAt, g.Scopes, g.Resource)
	}
	for _, c := range a.consents {
		if app.Remembered {
			add(c.At, c.Scopes, strings.Fields(c.Resource))
		}
	}
	app.Since = templates.NewAccountMoment(since, p.now())
	return app
}

// inWords describes a scope: by the words of OpenID Connect, by those of an API that
// the grant names, or of any that the tenant can have tokens for.
func inWords(name string, resource []string, rss []storage.ResourceServer, tenant storage.TenantID) templates.ScopeItem {
	if sentence, ok := templates.ScopeSentence(name); ok {
		return templates.ScopeItem{Name: name, Sentence: sentence}
	}
	item := templates.ScopeItem{Name: name, Sentence: name}
	for _, rs := range rss {
		i := slices.IndexFunc(rs.Scopes, func(s storage.Scope) bool { return s.Name == name })
		if i < 0 || !rs.DisabledAt.IsZero() || (rs.TenantID != "" && rs.TenantID != tenant) {
			continue
		}
		found := templates.ScopeItem{Name: name, Sentence: rs.Scopes[i].Description, Sensitive: rs.Scopes[i].Sensitive}
		if slices.Contains(resource, rs.Audience) {
			return found
		}
		if item.Sentence == name {
			item = found
		}
	}
	return item
}
