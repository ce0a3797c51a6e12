package monitorapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/templates"
)

// ended is what somebody reads whose grant is dead. The authorization server does
// not say why, to an app: a person who signs in again is told.
var ended = &templates.DemoProblem{
	Title: "Your sign-in has ended.",
	Description: "It expired, or it was ended at the server: a sign-out, access that was taken back, or a suspended account or organization. " +
		"Sign in again to go on, or to be told why not.",
	Code: "invalid_grant",
}

// switchedOff is what somebody reads when the app itself is refused.
func switchedOff(code string) *templates.DemoProblem {
	return &templates.DemoProblem{
		Title:       "This app has been switched off.",
		Description: "The authorization server does not let the app act for anybody at the moment. Your sign-in here has ended.",
		Code:        code,
	}
}

// fill adds the person, and the calls that the page makes with their token. The
// session is locked.
func (a *app) fill(ctx context.Context, page *templates.DemoAppPage, s *session) {
	soon := a.now().Add(30 * time.Second)
	if soon.After(s.tokens.ends) && !a.renew(ctx, page, s) {
		return
	}
	page.Calls = a.calls(ctx, s)
	if len(page.Calls) > 0 && page.Calls[0].Status == http.StatusUnauthorized {
		if !a.renew(ctx, page, s) {
			page.Calls = nil
			return
		}
		page.Calls = a.calls(ctx, s)
	}
	page.User = &templates.DemoUser{
		Name: s.who.Name, Email: s.who.Email, Tenant: a.called(s.who.Tenant), Slug: s.who.Tenant,
		Scopes: strings.Fields(s.tokens.Scope), Expires: s.tokens.ends.UTC().Format("15:04:05 UTC, 2 January 2006"),
	}
	page.CallAgainURL, page.SignOut = "/", "/signout"
}

// renew refreshes the tokens. It reports false, signs the person out and says so
// on the page, when the grant or the app is dead; a server that does not answer
// leaves everything as it is.
func (a *app) renew(ctx context.Context, page *templates.DemoAppPage, s *session) bool {
	if s.tokens.Refresh == "" {
		s.tokens, page.Problem = tokens{}, ended
		return false
	}
	t, err := a.client.refresh(ctx, s.tokens)
	if err == nil {
		s.tokens = t
		return true
	}
	p := &oauthProblem{}
	errors.As(err, &p)
	switch p.Code {
	case "invalid_grant":
		s.tokens, page.Problem = tokens{}, ended
	case "invalid_client", "unauthorized_client":
		s.tokens, page.Problem = tokens{}, switchedOff(p.Code)
	default:
		a.log.WarnContext(ctx, "the tokens could not be refreshed", slog.Any("err", err))
		return true
	}
	return false
}

// called is a tenant's name.
func (a *app) called(slug string) string { return cmp.Or(a.names[slug], slug) }

// calls shows what the token opens, and what it does not: that comes second,
// because it is the point.
func (a *app) calls(ctx context.Context, s *session) []templates.DemoCall {
	own := "/t/" + s.who.Tenant
	monitors := a.call(ctx, s, http.MethodGet, own+"/monitors")
	monitors.Note = "The token is good for " + a.called(s.who.Tenant) + ", and has monitor:read."
	out := []templates.DemoCall{monitors}
	for _, other := range a.others(s.who.Tenant) {
		c := a.call(ctx, s, http.MethodGet, "/t/"+other+"/monitors")
		c.Refusal = true
		c.Note = "The token belongs to " + a.called(s.who.Tenant) + ". For it, " + a.called(other) + " does not exist."
		out = append(out, c)
	}
	out = append(out, a.call(ctx, s, http.MethodGet, own+"/alerts"), a.call(ctx, s, http.MethodGet, own+"/checks"))
	held := strings.Fields(s.tokens.Scope)
	if !slices.Contains(held, scopeAlert) && !slices.Contains(held, scopeAll) {
		c := a.call(ctx, s, http.MethodPost, own+"/alerts")
		c.Refusal, c.Note = true, "The app did not ask for alert:write, and so nobody can make it create an alert."
		out = append(out, c)
	}
	return out
}

// call is one request to the API, over HTTP like anybody's.
func (a *app) call(ctx context.Context, s *session, method, path string) templates.DemoCall {
	out := templates.DemoCall{Method: method, Path: path}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		a.log.ErrorContext(ctx, "a call cannot be made", slog.String("path", path), slog.Any("err", err))
		return out
	}
	req.Header.Set("Authorization", "Bearer "+s.tokens.Access)
	resp, err := a.http.Do(req)
	if err != nil {
		a.log.ErrorContext(ctx, "a call got no answer", slog.String("path", path), slog.Any("err", err))
		return out
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256<<10))
	if err != nil {
		a.log.ErrorContext(ctx, "a call got half an answer", slog.String("path", path), slog.Any("err", err))
		return out
	}
	out.Status, out.Body = resp.StatusCode, string(body)
	if resp.StatusCode == http.StatusOK {
		out.Table = a.table(body, s)
	}
	return out
}

// table shows a list of the API; nil for anything else. It notes the names of the
// monitors for the lists that have their ids only. The session is locked.
func (a *app) table(body []byte, s *session) *templates.DemoTable {
	var in struct {
		Monitors []Monitor `json:"monitors"`
		Alerts   []Alert   `json:"alerts"`
		Checks   []Check   `json:"checks"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil
	}
	t, tenant := &templates.DemoTable{}, a.called(s.who.Tenant)
	switch {
	case in.Monitors != nil:
		t.Caption, t.Columns = "Monitors of "+tenant, []string{"Monitor", "Target", "State", "Last check"}
		s.names = map[string]string{}
		for _, m := range in.Monitors {
			s.names[m.ID] = m.Name
			t.Rows = append(t.Rows, []string{m.Name, m.Target, m.State, a.ago(m.LastCheck)})
		}
	case in.Alerts != nil:
		t.Caption, t.Columns = "Alerts of "+tenant, []string{"Alert", "Monitor", "State", "Since"}
		for _, l := range in.Alerts {
			t.Rows = append(t.Rows, []string{l.Message, cmp.Or(s.names[l.Monitor], l.Monitor), l.State, a.ago(l.CreatedAt)})
		}
	case in.Checks != nil:
		t.Caption, t.Columns = "Check runs of "+tenant, []string{"Monitor", "Result", "Took", "When"}
		for _, c := range in.Checks {
			t.Rows = append(t.Rows, []string{cmp.Or(s.names[c.Monitor], c.Monitor), c.Result, fmt.Sprintf("%d ms", c.DurationMS), a.ago(c.At)})
		}
	default:
		return nil
	}
	return t
}

// ago writes how long ago something was.
func (a *app) ago(t time.Time) string {
	switch d := a.now().Sub(t); {
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	default:
		return t.UTC().Format("2 Jan 2006, 15:04")
	}
}
