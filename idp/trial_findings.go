package idp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// Limits of what a trial keeps of the claims that came.
const (
	maxTrialClaims = 100
	maxTrialClaim  = 2 << 10 // bytes of one claim's JSON
)

// findings are what a trial came to: how the provider looks from here, whether its
// answer was believed, and what would become of the person. An error means that the
// store could not answer.
func (s *Server) findings(ctx context.Context, t trial, subject Subject, cause error) (TrialReport, error) {
	report := TrialReport{Findings: toldByTrial(s.examine(ctx, t.destination), cause)}
	report.Findings = append(report.Findings, answered(cause))
	if cause != nil {
		return report, nil
	}
	report.Claims = shownClaims(subject.Raw)
	report.Level, report.Email, report.EmailVerified = subject.Level, subject.Email, subject.EmailVerified
	report.Role, report.RoleReason = MapRole(t.connection, subject.Roles)
	report.RoleValues = subject.Roles.Values
	address, err := s.addressFinding(ctx, t, subject)
	if err != nil {
		return TrialReport{}, err
	}
	account, known, err := s.accountFinding(ctx, t, subject)
	if err != nil {
		return TrialReport{}, err
	}
	if t.connection.RoleClaim == "" && known.ID != "" {
		report.Role = known.Role // and stays so
	}
	report.Findings = append(report.Findings, address, account, roleFinding(t.connection, report), levelFinding(t.tenant, report.Level))
	return report, nil
}

// examine is the connector's own look at the provider, where it can look.
func (s *Server) examine(ctx context.Context, d destination) []Finding {
	connector, err := s.cfg.Connect(ctx, d.tenant.ID, d.connection)
	if err != nil {
		return nil // answered says so
	}
	examiner, ok := connector.(Examiner)
	if !ok {
		return nil
	}
	return examiner.Examine(ctx, s.redirectURI(d.connection.ID))
}

// toldByTrial settles what an examination leaves to a trial. An answer of the provider's
// came to the redirect URI; tokens came for the client secret, which is the only one.
func toldByTrial(found []Finding, cause error) []Finding {
	came := cause == nil || errors.Is(cause, ErrUpstreamDenied) || errors.Is(cause, ErrUpstreamFailed)
	two := slices.ContainsFunc(found, func(f Finding) bool { return f.Check == "next_secret" })
	for i, f := range found {
		switch {
		case f.Verdict != VerdictUnknown:
		case f.Check == "redirect_uri" && came:
			found[i] = Finding{Check: f.Check, Verdict: VerdictOK, Detail: "The provider sent the browser back to the redirect URI."}
		case f.Check == "client_secret" && cause == nil && !two:
			found[i] = Finding{Check: f.Check, Verdict: VerdictOK, Detail: "The provider gave tokens for the client secret."}
		}
	}
	return found
}

// answered is whether the provider's answer was believed.
func answered(cause error) Finding {
	f := Finding{Check: "answer", Verdict: VerdictFailed}
	switch {
	case cause == nil:
		return Finding{Check: "answer", Verdict: VerdictOK, Detail: "The provider signed somebody in, and its answer passed every check."}
	case errors.Is(cause, ErrUpstreamDenied):
		f.Detail = "The provider said that the sign-in was cancelled or refused."
		f.Remedy = "At the provider, assign this app to the person who tries, and begin another trial."
	case errors.Is(cause, ErrUpstreamFailed):
		f.Detail = "The provider reported an error instead of signing somebody in."
		f.Remedy = "Compare client id, client secret, redirect URI and scopes with what the provider’s admin page shows."
	case errors.Is(cause, ErrUpstreamUnavailable):
		f.Detail = "The provider did not answer, or not in time."
		f.Remedy = "Check that the issuer is reachable from the internet, and begin another trial."
	case errors.Is(cause, ErrUpstreamInvalid):
		f.Detail = "What the provider sent failed a check, so nothing in it was used."
		f.Remedy = "Compare the connection’s issuer and settings with the provider’s. The operator’s log has the cause, under the reference of this page."
	default:
		f.Detail = "Something went wrong on our side."
		f.Remedy = "Begin another trial. If it stays like this, ask whoever operates this server."
	}
	return f
}

// addressFinding is what the person's address is good for.
func (s *Server) addressFinding(ctx context.Context, t trial, subject Subject) (Finding, error) {
	found, err := s.discover(ctx, subject.Email, discovery{})
	if err != nil {
		return Finding{}, err
	}
	f := Finding{Check: "address", Verdict: VerdictWarning}
	switch page := s.ssoElsewhere(t.tenant, t.connection.ID, found.owner); {
	case page != nil:
		f.Verdict, f.Detail = VerdictFailed, "People with this address have to sign in through "+found.owner.Connection.Name+"."
		f.Remedy = "Point the domain " + found.domain + " at this connection, or do not require single sign-on for it."
	case found.domain == "":
		f.Detail = "The provider sent no e-mail address."
		f.Remedy = "Let the provider send the claim email. Without it people cannot be told apart in lists, and get no mail."
	case found.owner == nil || found.owner.Tenant.ID != t.tenant.ID || found.owner.Connection.ID != t.connection.ID:
		f.Detail = "The domain " + found.domain + " is not verified for this connection, so that nobody is sent here by their address."
		f.Remedy = "Claim the domain, put its TXT record into DNS, and point it at this connection."
	case !subject.EmailVerified:
		f.Detail = "The provider does not say that the address is verified: people who were invited by it get a second account."
		f.Remedy = "Let the provider send email_verified, or xms_edov with Microsoft Entra ID."
	default:
		f.Verdict, f.Detail = VerdictOK, "The address is verified, and its domain belongs to this connection."
	}
	return f, nil
}

// accountFinding is whose account the person would get, and who that is.
func (s *Server) accountFinding(ctx context.Context, t trial, subject Subject) (Finding, storage.User, error) {
	f := Finding{Check: "account", Verdict: VerdictOK}
	u, err := s.cfg.Store.Tenant(t.tenant.ID).UserByIdentity(ctx, storage.Identity{Connection: t.connection.ID, Issuer: subject.Issuer, Subject: subject.Subject})
	switch {
	case errors.Is(err, storage.ErrNotFound) && t.connection.CreateUsers:
		f.Detail = "The person is new here, and gets an account at the first sign-in."
	case errors.Is(err, storage.ErrNotFound):
		f.Verdict, f.Detail = VerdictWarning, "The person is new here, and this connection makes no accounts: only people who were invited get in."
		f.Remedy = "Invite the person, or let the connection create accounts."
	case err != nil:
		return f, u, away(err)
	case !u.DisabledAt.IsZero():
		f.Verdict, f.Detail = VerdictFailed, "The person has an account here, and it is disabled."
		f.Remedy = "Enable the account, or try with somebody else."
	default:
		f.Detail = "The person has an account here already."
	}
	return f, u, nil
}

// roleFinding is the role that the person would have.
func roleFinding(con storage.Connection, report TrialReport) Finding {
	if report.RoleReason == "" {
		return Finding{Check: "role", Verdict: VerdictOK, Detail: fmt.Sprintf("The person would be %s.", report.Role)}
	}
	why := roleProblems[report.RoleReason]
	return Finding{Check: "role", Verdict: VerdictFailed, Detail: fmt.Sprintf(why.detail, con.RoleClaim), Remedy: why.remedy}
}

// roleProblems are the reasons of MapRole in words.
var roleProblems = map[string]struct{ detail, remedy string }{
	ReasonNoRule: {
		"No rule fits what the claim %s held, so the person would be refused.",
		"Add a rule for one of its values, or put the person into a group that has one. Values are compared exactly.",
	},
	ReasonAbsent: {
		"The claim %s did not come, so the person would be refused.",
		"Let the provider send the claim to this app, in the ID token or at the userinfo endpoint, and check its name.",
	},
	ReasonWrongType: {
		"The claim %s is neither a text nor a list of texts, so the person would be refused.",
		"Name the claim that holds the groups themselves. With a nested claim, use a path such as /realm_access/roles.",
	},
	ReasonOversized: {
		"The claim %s holds more than 500 values, or one that is too long, so the person would be refused.",
		"Let the provider send only the groups that matter to this app.",
	},
	ReasonOverage: {
		"The person is in so many groups that the provider left the claim %s out, and they would be refused.",
		"Let the provider send only the groups that are assigned to this app, or allow to ask Microsoft Graph for them.",
	},
}

// levelFinding is what the provider proved of a second factor.
func levelFinding(t storage.Tenant, l storage.Level) Finding {
	switch {
	case l == storage.LevelPHR:
		return Finding{Check: "second_factor", Verdict: VerdictOK, Detail: "The provider proved a second factor that is resistant to phishing."}
	case l.AtLeast(t.Policy.RequireLevel) && l != storage.LevelNone:
		return Finding{Check: "second_factor", Verdict: VerdictOK, Detail: "The provider proved a second factor."}
	}
	return Finding{
		Check: "second_factor", Verdict: VerdictWarning,
		Detail: "The provider did not prove the second factor that is needed: people are asked for one of this server’s, where one is.",
		Remedy: "Require a second factor at the provider, and let it say so in amr or acr.",
	}
}

// shownClaims are the claims that an administrator sees.
func shownClaims(raw map[string]any) map[string]any {
	shown := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		if slices.Contains([]string{"nonce", "at_hash", "c_hash", "s_hash"}, name) || len(shown) == maxTrialClaims {
			continue
		}
		value, err := json.Marshal(raw[name])
		if shown[name] = raw[name]; err != nil || len(value) > maxTrialClaim {
			shown[name] = fmt.Sprintf("too long to show: %d bytes", len(value))
		}
	}
	return shown
}

// trialPage is the report as a person reads it.
func trialPage(w io.Writer, t trial, report TrialReport) error {
	p := templates.TrialPage{
		TenantName: t.tenant.Name, ConnectionName: t.connection.Name, Works: report.Works(),
		Role: string(report.Role), RoleClaim: t.connection.RoleClaim, RoleValues: report.RoleValues,
	}
	for _, f := range report.Findings {
		p.Findings = append(p.Findings, templates.TrialFinding{
			Check: strings.ReplaceAll(f.Check, "_", " "), Verdict: string(f.Verdict), Detail: f.Detail, Remedy: f.Remedy,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(report.Claims)) {
		value, err := json.Marshal(report.Claims[name])
		if err != nil {
			return err
		}
		p.Claims = append(p.Claims, templates.TrialClaim{Name: name, Value: string(value)})
	}
	return templates.Trial(w, p)
}
