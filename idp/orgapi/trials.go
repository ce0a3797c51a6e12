package orgapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// Finding is one check of a connection.
type Finding struct {
	Check   string `json:"check" example:"discovery" doc:"What was looked at: a word that does not change."`
	Verdict string `json:"verdict" enum:"ok,warning,failed,unknown" doc:"What it came to. unknown: only a trial sign-in can tell."`
	Detail  string `json:"detail" doc:"What was seen."`
	Remedy  string `json:"remedy,omitempty" doc:"What to do, and where at the provider."`
}

// Examination is what the doctor found.
type Examination struct {
	Works    bool      `json:"works" doc:"Whether no check failed."`
	Findings []Finding `json:"findings" nullable:"false" doc:"The checks, in the order in which a person reads them."`
}

type examinationOutput struct{ Body Examination }

func (a *API) doctor(ctx context.Context, in *ConnectionPath) (*examinationOutput, error) {
	c, con, err := a.lookedAt(ctx, in.id())
	if err != nil {
		return nil, err
	}
	found, err := a.examine(c, con)
	if err != nil {
		return nil, err
	}
	out := Examination{Works: true, Findings: findings(found)}
	for _, f := range out.Findings {
		out.Works = out.Works && f.Verdict != string(idp.VerdictFailed)
	}
	return &examinationOutput{out}, nil
}

// lookedAt is who looks at a connection that has a provider.
func (a *API) lookedAt(ctx context.Context, id storage.ConnectionID) (caller, storage.Connection, error) {
	c, err := reader(ctx)
	if err != nil {
		return c, storage.Connection{}, err
	}
	con, err := a.withProvider(c, id)
	return c, con, err
}

// examine looks at a connection's provider. What has a connector that cannot do it is
// told by a trial.
func (a *API) examine(c caller, con storage.Connection) ([]idp.Finding, error) {
	connector, err := a.cfg.Connect(c, c.Tenant, con)
	if err != nil {
		return nil, fmt.Errorf("orgapi: connect: %w", err)
	}
	if e, ok := connector.(idp.Examiner); ok {
		return e.Examine(c, a.places(c.Tenant, con.ID).RedirectURI), nil
	}
	return []idp.Finding{{Check: "provider", Verdict: idp.VerdictUnknown, Detail: "Only a trial sign-in can tell."}}, nil
}

func findings(found []idp.Finding) []Finding {
	out := []Finding{}
	for _, f := range found {
		out = append(out, Finding{Check: f.Check, Verdict: string(f.Verdict), Detail: f.Detail, Remedy: f.Remedy})
	}
	return out
}

// ConnectionTest is a trial of a connection.
type ConnectionTest struct {
	ID         string       `json:"id" example:"tst_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id."`
	Connection string       `json:"connection" doc:"What is tried."`
	URL        string       `json:"url" format:"uri" doc:"Where to go with a browser: sign in there as somebody would. Nobody is signed in, and nothing is changed."`
	State      string       `json:"state" enum:"waiting,done" doc:"Whether somebody has come back from the provider."`
	CreatedAt  time.Time    `json:"created_at" doc:"When it was made."`
	ExpiresAt  time.Time    `json:"expires_at" doc:"When it is forgotten."`
	Report     *TrialReport `json:"report,omitempty" doc:"What it came to; absent while it waits."`
}

// TrialReport is what a trial came to.
type TrialReport struct {
	Works         bool           `json:"works" doc:"Whether somebody who comes like this gets in."`
	Findings      []Finding      `json:"findings" nullable:"false" doc:"The checks."`
	Claims        map[string]any `json:"claims,omitempty" doc:"The claims that came."`
	Role          string         `json:"role" enum:"owner,admin,member,viewer,none" doc:"The role that the person would have; none: they would be refused."`
	RoleReason    string         `json:"role_reason,omitempty" doc:"Why they have none."`
	RoleValues    []string       `json:"role_values,omitempty" doc:"What the role was taken from."`
	Level         string         `json:"level" enum:"none,mfa,phr" doc:"What the provider proves of second factors."`
	Email         string         `json:"email,omitempty" doc:"The address that came."`
	EmailVerified bool           `json:"email_verified" doc:"Whether the provider says that it is verified."`
}

// Resource is a trial's address and type in JSON-LD.
func (t ConnectionTest) Resource() (address, kind string) {
	return connectionsPath + "/" + t.Connection + "/tests/" + t.ID, "ConnectionTest"
}

type testOutput struct{ Body ConnectionTest }

type createdTest struct {
	Location string `header:"Location" doc:"Where the trial is."`
	Body     ConnectionTest
}

func (a *API) createTest(ctx context.Context, in *ConnectionPath) (*createdTest, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	con, err := a.withProvider(c, in.id())
	if err != nil {
		return nil, err
	}
	t, _, err := a.cfg.Directory.NewConnectionTest(c, c.tenant(), con.ID)
	if err != nil {
		return nil, refusal(err)
	}
	out := a.test(c.Tenant, t)
	address, _ := out.Resource()
	return &createdTest{address, out}, nil
}

type testPath struct {
	ConnectionPath
	Test string `path:"test" minLength:"1" maxLength:"64" example:"tst_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"The id of the trial."`
}

func (a *API) getTest(ctx context.Context, in *testPath) (*testOutput, error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	t, err := a.cfg.Store.Tenant(c.Tenant).ConnectionTest(ctx, storage.TestID(in.Test), a.cfg.Now())
	switch {
	case err != nil:
		return nil, refusal(err)
	case t.Connection != in.id():
		return nil, manage.Refuse(manage.NotFound, "")
	}
	out := a.test(c.Tenant, t)
	if out.State == testDone {
		if out.Report, err = reported(t.Report); err != nil {
			return nil, err
		}
	}
	return &testOutput{out}, nil
}

// The states of a trial.
const (
	testWaiting = "waiting"
	testDone    = "done"
)

func (a *API) test(tenant storage.TenantID, t storage.ConnectionTest) ConnectionTest {
	out := ConnectionTest{
		ID: string(t.ID), Connection: string(t.Connection),
		URL:   provider.Addresses{Issuer: a.cfg.Issuer, Tenant: tenant, Connection: t.Connection}.Trial(t.ID),
		State: testWaiting, CreatedAt: t.CreatedAt.UTC(), ExpiresAt: t.ExpiresAt.UTC(),
	}
	if !t.DoneAt.IsZero() {
		out.State = testDone
	}
	return out
}

func reported(body []byte) (*TrialReport, error) {
	var r idp.TrialReport
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("orgapi: the report of a trial: %w", err)
	}
	return &TrialReport{
		Works: r.Works(), Findings: findings(r.Findings), Claims: r.Claims, Role: roleName(r.Role), RoleReason: r.RoleReason, RoleValues: r.RoleValues,
		Level: levelName(r.Level), Email: r.Email, EmailVerified: r.EmailVerified,
	}, nil
}

// MappingSample is what a provider may say of somebody, to try a mapping on.
type MappingSample struct {
	Claims  map[string]any `json:"claims,omitempty" example:"{\"groups\":[\"watchgate-admins\"]}" doc:"The claims. Not together with id_token."`
	IDToken string         `json:"id_token,omitempty" maxLength:"20000" doc:"An ID token of the provider. It is taken apart, not believed, and not kept. Not together with claims."`

	RoleClaim    string     `json:"role_claim,omitempty" maxLength:"200" example:"groups" doc:"Try it with this claim; absent: with the connection's."`
	RoleRules    []RoleRule `json:"role_rules,omitempty" nullable:"false" maxItems:"200" doc:"Try it with these rules; absent: with the connection's."`
	UnmappedRole string     `json:"unmapped_role,omitempty" enum:"owner,admin,member,viewer,none" doc:"Try it with this; absent: with the connection's."`
}

type tryMapping struct {
	ConnectionPath
	Body MappingSample
}

// MappedRole is what a mapping makes of a sample.
type MappedRole struct {
	Present bool     `json:"present" doc:"Whether the role claim is among the claims."`
	Values  []string `json:"values" nullable:"false" doc:"What it holds."`
	Role    string   `json:"role" enum:"owner,admin,member,viewer,none" doc:"The role that the person would have; none: they would be refused."`
	Reason  string   `json:"reason,omitempty" enum:"no_rule,absent,wrong_type,oversized,overage" doc:"Why they have none. overage: the token has no room for the groups; where the connection asks Microsoft Graph for them, a sign-in goes by its answer."`
}

type mappedOutput struct{ Body MappedRole }

func (a *API) tryMapping(ctx context.Context, in *tryMapping) (*mappedOutput, error) {
	_, con, err := a.lookedAt(ctx, in.id())
	if err != nil {
		return nil, err
	}
	claims, err := in.Body.claims()
	if err != nil {
		return nil, err
	}
	if in.Body.RoleClaim != "" {
		con.RoleClaim = in.Body.RoleClaim
	}
	if in.Body.RoleRules != nil {
		con.Settings.RoleRules = rulesOf(in.Body.RoleRules)
	}
	if in.Body.UnmappedRole != "" {
		con.Settings.UnmappedRole = roleOf(in.Body.UnmappedRole)
	}
	values := idp.RoleValuesOf(con, claims)
	if provider.LeftOut(con, claims) {
		values = idp.RoleValues{Problem: idp.ReasonOverage}
	}
	role, reason := idp.MapRole(con, values)
	return &mappedOutput{MappedRole{Present: values.Present, Values: listed(values.Values), Role: roleName(role), Reason: reason}}, nil
}

// claims are those of the sample. A token's signature is not looked at: nobody comes to
// be anybody here.
func (s MappingSample) claims() (map[string]any, error) {
	switch {
	case s.Claims != nil && s.IDToken != "":
		return nil, wrong("id_token", "Send claims or an ID token, not both.")
	case s.IDToken == "":
		return s.Claims, nil
	}
	parts := strings.Split(s.IDToken, ".")
	var claims map[string]any
	if len(parts) == 3 {
		if body, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && json.Unmarshal(body, &claims) == nil {
			return claims, nil
		}
	}
	return nil, wrong("id_token", "This is no ID token: it has three parts with dots between them, and its second one is JSON.")
}
