package manage

import (
	"context"
	"net/http"
	"time"
)

// whoami is who a credential stands for.
type whoami struct {
	Kind     string     `json:"kind" enum:"user,client,api_key" doc:"What the credential is: a person's access token, a machine's, or an API key" example:"api_key"`
	TenantID string     `json:"tenant_id" doc:"The tenant's id, which never changes" example:"ten_01jd5h8x3v9k2m7q4r6t8w0y1z"`
	Tenant   string     `json:"tenant" doc:"The tenant's name in URLs" example:"acme"`
	User     string     `json:"user,omitempty" doc:"The person; absent for machines and service keys" example:"usr_01jd5h8x3v9k2m7q4r6t8w0y1z"`
	Role     string     `json:"role,omitempty" enum:"owner,admin,member,viewer" doc:"The person's role in the tenant" example:"owner"`
	ClientID string     `json:"client_id,omitempty" doc:"The app, of an access token" example:"demo-web"`
	KeyID    string     `json:"key_id,omitempty" doc:"The API key" example:"key_01jd5h8x3v9k2m7q4r6t8w0y1z"`
	Scopes   []string   `json:"scopes" nullable:"false" doc:"What the credential is good for now: its scopes with all that they imply, without what the role does not allow" example:"[\"api-keys:read\",\"monitor:read\"]"`
	Expires  *time.Time `json:"expires_at,omitempty" doc:"When the credential ends; absent when it does not" example:"2027-01-31T15:04:05Z"`
	AuthTime *time.Time `json:"auth_time,omitempty" doc:"When the person last signed in" example:"2027-01-01T08:00:00Z"`
	AMR      []string   `json:"amr,omitempty" doc:"How the person signed in (RFC 8176)" example:"[\"pwd\",\"mfa\"]"`
	ACR      string     `json:"acr,omitempty" doc:"The sign-in's authentication context"`
	Level    string     `json:"level,omitempty" enum:"mfa,phr" doc:"What the person proved of second factors: one, or one that is resistant to phishing; absent: none"`
	MFATime  *time.Time `json:"mfa_time,omitempty" doc:"When the person last proved a second factor" example:"2027-01-01T08:00:30Z"`
}

// Resource is for JSON-LD.
func (whoami) Resource() (path, kind string) { return "/v1/auth/whoami", "Credential" }

type whoamiOutput struct{ Body whoami }

func (a *API) registerWhoami() {
	Register(a, Operation{
		ID: "whoami", Method: http.MethodGet, Path: "/v1/auth/whoami", Tag: "Credentials", AnyCredential: true,
		Summary:     "Who am I?",
		Description: "Says whom the credential of this request stands for, in which tenant, and what it is good for right now. Any live credential may ask.",
	}, func(ctx context.Context, _ *struct{}) (*whoamiOutput, error) {
		return &whoamiOutput{Body: describe(PrincipalFrom(ctx))}, nil
	})
}

func describe(p Principal) whoami {
	w := whoami{
		Kind: "client", TenantID: string(p.Tenant), Tenant: p.TenantSlug, User: string(p.User), Role: string(p.Role), ClientID: string(p.Client),
		KeyID: string(p.Key), Scopes: append([]string{}, p.Scopes...), Expires: moment(p.Expires), AuthTime: moment(p.AuthTime), AMR: p.AMR, ACR: p.ACR,
		Level: string(p.Level), MFATime: moment(p.MFATime),
	}
	switch {
	case p.Key != "":
		w.Kind = "api_key"
	case p.User != "":
		w.Kind = "user"
	}
	return w
}

// moment is nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
