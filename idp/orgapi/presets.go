package orgapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/watchgate/watchgate/idp/provider"
	"github.com/watchgate/watchgate/storage"
)

// Presets is how each provider is connected, and what of ours is pasted there.
type Presets struct {
	Presets []Preset        `json:"presets" nullable:"false" doc:"The providers, the best known first."`
	Draft   ConnectionDraft `json:"draft" doc:"What a connection will have that is made with this draft."`
}

// Preset is how one provider is connected.
type Preset struct {
	Name      string        `json:"name" enum:"oidc,okta,entra,auth0,google" example:"okta" doc:"What a connection calls it."`
	Title     string        `json:"title" example:"Okta" doc:"What people call it."`
	Fields    []PresetField `json:"fields" nullable:"false" doc:"What is asked for: the fields of a new connection."`
	Steps     []PresetStep  `json:"steps" nullable:"false" doc:"What to do in the provider's console, in order."`
	Page      string        `json:"page" example:"docs/providers/okta.md" doc:"The page of the documentation."`
	RoleClaim string        `json:"role_claim,omitempty" example:"groups" doc:"The claim that has people's groups there."`
}

// PresetField is something that the provider's administrator knows.
type PresetField struct {
	Name     string `json:"name" example:"domain" doc:"Its name among the fields of a new connection."`
	Label    string `json:"label" example:"Okta domain" doc:"What the provider's console calls it."`
	Hint     string `json:"hint,omitempty" doc:"What to heed."`
	Where    string `json:"where" doc:"Where it is in the provider's console."`
	Example  string `json:"example,omitempty" doc:"What it looks like."`
	Secret   bool   `json:"secret" doc:"Whether it is a secret: it is never shown again."`
	Optional bool   `json:"optional" doc:"Whether it can be left out."`
}

// PresetStep is one thing to do in the provider's console.
type PresetStep struct {
	Do    string `json:"do" doc:"What to do."`
	Paste string `json:"paste,omitempty" example:"redirect_uri" doc:"Which member of the draft, or of the connection, is pasted there."`
}

// Places are what of ours is pasted at a provider.
type Places struct {
	RedirectURI        string `json:"redirect_uri" format:"uri" doc:"Where people come back to."`
	BackchannelURI     string `json:"backchannel_logout_uri" format:"uri" doc:"Where the provider's logout tokens go."`
	RevocationEndpoint string `json:"global_token_revocation_endpoint" format:"uri" doc:"Okta: where its Universal Logout calls."`
}

// ConnectionDraft is a connection that is not there yet: its addresses are known before there is
// a client id at the provider.
type ConnectionDraft struct {
	Draft string `json:"draft" doc:"Send it with the new connection, and it has these addresses."`
	Places
}

// Resource is the presets' address and type in JSON-LD.
func (Presets) Resource() (address, kind string) { return presetsPath, "ConnectionPresets" }

type presetsOutput struct{ Body Presets }

func (a *API) presets(ctx context.Context, _ *struct{}) (*presetsOutput, error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	id := storage.NewConnectionID(a.cfg.Now())
	out := Presets{Draft: ConnectionDraft{Draft: a.draft(c.Tenant, id), Places: a.places(c.Tenant, id)}}
	for _, p := range provider.All() {
		out.Presets = append(out.Presets, describe(p))
	}
	return &presetsOutput{out}, nil
}

func describe(p provider.Preset) Preset {
	out := Preset{Name: string(p.Name), Title: p.Title, Page: p.Page, RoleClaim: p.RoleClaim, Fields: []PresetField{}, Steps: []PresetStep{}}
	for _, f := range p.Fields {
		out.Fields = append(out.Fields, PresetField(f))
	}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, PresetStep(s))
	}
	return out
}

// places are the addresses of a connection.
func (a *API) places(t storage.TenantID, id storage.ConnectionID) Places {
	at := provider.Addresses{Issuer: a.cfg.Issuer, Tenant: t, Connection: id}
	return Places{RedirectURI: at.RedirectURI(), BackchannelURI: at.Backchannel(), RevocationEndpoint: at.Revocation()}
}

var draftText = base64.RawURLEncoding.Strict()

// draft is an id that nobody chose but we, for one tenant.
func (a *API) draft(t storage.TenantID, id storage.ConnectionID) string {
	return string(id) + "." + draftText.EncodeToString(draftSum(a.drafts[0], t, id))
}

// drafted is the id of a draft; false: it is none of ours for this tenant.
func (a *API) drafted(t storage.TenantID, draft string) (storage.ConnectionID, bool) {
	id, sum, _ := strings.Cut(draft, ".")
	mac, err := draftText.DecodeString(sum)
	if err != nil {
		return "", false
	}
	for _, key := range a.drafts {
		if hmac.Equal(mac, draftSum(key, t, storage.ConnectionID(id))) {
			return storage.ConnectionID(id), true
		}
	}
	return "", false
}

func draftSum(key []byte, t storage.TenantID, id storage.ConnectionID) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(string(t) + "/" + string(id)))
	return h.Sum(nil)[:16]
}
