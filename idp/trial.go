package idp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// TrialReport is what the trial of a connection came to: JSON, in
// [storage.ConnectionTest].Report.
type TrialReport struct {
	Findings []Finding `json:"findings"`
	// Claims are those that came, but for nonces and hashes of tokens; of one that is
	// too long to be shown, only that.
	Claims map[string]any `json:"claims,omitempty"`
	// Role is the one that the person would have; "" for none, and then RoleReason says
	// why, as [MapRole] does. RoleValues are what it was taken from.
	Role          storage.Role  `json:"role,omitempty"`
	RoleReason    string        `json:"role_reason,omitempty"`
	RoleValues    []string      `json:"role_values,omitempty"`
	Level         storage.Level `json:"level,omitempty"`
	Email         string        `json:"email,omitempty"`
	EmailVerified bool          `json:"email_verified"`
}

// Works reports whether somebody who comes like this would get in: no check failed.
func (t TrialReport) Works() bool {
	for _, f := range t.Findings {
		if f.Verdict == VerdictFailed {
			return false
		}
	}
	return true
}

// trial is a trial under way.
type trial struct {
	destination
	test storage.ConnectionTest
}

// tryConnection begins the trial of a connection, which may still be disabled. It is a
// transaction of its own kind: nothing but its callback takes it further.
func (s *Server) tryConnection(w http.ResponseWriter, r *http.Request) error {
	t, err := s.openTrial(r.Context(), storage.TenantID(r.PathValue("tenant")), storage.TestID(r.PathValue("test")))
	if err != nil {
		return err
	}
	l := storage.Login{Step: storage.StepUpstream, Tenant: t.tenant.ID, Connection: t.connection.ID, Purpose: storage.PurposeTest, Test: t.test.ID}
	if l, err = s.start(w, r, l); err != nil {
		return err
	}
	target, err := s.outward(r.Context(), l, t.destination)
	if err != nil {
		if err := s.done(w, r, l); err != nil {
			return err
		}
		return s.report(w, r, t, Subject{}, err)
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
	return nil
}

// openTrial reads a trial that nobody has taken yet, with what it is about.
func (s *Server) openTrial(ctx context.Context, tenant storage.TenantID, id storage.TestID) (trial, error) {
	test, err := s.cfg.Store.Tenant(tenant).ConnectionTest(ctx, id, s.now())
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return trial{}, refuse("not_found", err)
	case err != nil:
		return trial{}, away(err)
	case !test.DoneAt.IsZero():
		return trial{}, refuse("already_used", nil)
	}
	d, err := s.destination(ctx, storage.Login{Tenant: tenant, Connection: test.Connection})
	switch {
	case err != nil:
		return trial{}, err
	case !d.tenant.SuspendedAt.IsZero():
		return trial{}, s.suspended(d.tenant)
	case d.connection.Kind == storage.Passkey:
		return trial{}, refuse("not_found", errors.New("there is no provider to try"))
	}
	return trial{d, test}, nil
}

// tried takes what the browser brought back from a trial. The transaction is over
// before anything else happens: whatever came can sign nobody in.
func (s *Server) tried(w http.ResponseWriter, r *http.Request, l storage.Login, params url.Values) error {
	trip := s.trip(l)
	if err := s.done(w, r, l); err != nil {
		return err
	}
	t, err := s.openTrial(r.Context(), l.Tenant, l.Test)
	if err != nil {
		return err
	}
	subject, err := s.finish(r.Context(), t.destination, UpstreamCallback{
		Params: params, Nonce: trip.Nonce, Verifier: trip.Verifier, RedirectURI: trip.RedirectURI,
	})
	return s.report(w, r, t, subject, err)
}

// report stores what a trial came to, and shows it. Only the trial itself is written.
func (s *Server) report(w http.ResponseWriter, r *http.Request, t trial, subject Subject, cause error) error {
	ctx := r.Context()
	if cause != nil {
		web.Annotate(ctx, "trial", cause.Error())
	}
	found, err := s.findings(ctx, t, subject, cause)
	if err != nil {
		return err
	}
	if t.test.Report, err = json.Marshal(found); err != nil {
		return err
	}
	t.test.DoneAt = s.now()
	err = s.cfg.Store.Tenant(t.tenant.ID).PutConnectionTest(ctx, t.test, audit.ConnectionTested(ctx, t.test.DoneAt, t.test))
	if err != nil {
		return away(err)
	}
	html(w)
	return trialPage(w, t, found)
}
