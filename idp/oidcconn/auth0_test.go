package oidcconn

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

const auth0Issuer = "https://acme.eu.auth0.com/"

func newAuth0(t *testing.T) *room {
	return newProduct(t, storage.PresetAuth0, auth0Issuer, "auth0/discovery.json", "auth0/id_token.json")
}

func TestAuth0SignIn(t *testing.T) {
	r := newAuth0(t)
	r.con.RoleClaim, r.con.Settings.Organization = "https://acme.example/roles", "org_9ybsU1dN2dKfDkBi"
	got := r.arrives()
	if got.Issuer != auth0Issuer || got.Subject != "auth0|64b1f0c2a3d4e5f60718293a" || got.Level != storage.LevelMFA || got.SID == "" {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(idp.RoleValues{Present: true, Values: []string{"admin"}}, got.Roles); diff != "" {
		t.Error(diff)
	}
	if org := r.op.Asked().Get("organization"); org != "org_9ybsU1dN2dKfDkBi" {
		t.Errorf("asked for the organization %q", org)
	}
}

// amr is there for the sign-in that had a second factor, and for no other.
func TestAuth0SignInWithoutItsSecondFactor(t *testing.T) {
	r := newAuth0(t)
	r.says(map[string]any{"amr": nil})
	if got := r.arrives(); got.Level != storage.LevelNone {
		t.Errorf("level %q by acr %q", got.Level, got.ACR)
	}
}

func TestAttackAuth0AnotherOrganization(t *testing.T) {
	for name, org := range map[string]any{
		"another": "org_evil", "none": nil, "in a list": []string{"org_9ybsU1dN2dKfDkBi"}, "other letters": "ORG_9ybsU1dN2dKfDkBi", "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			r := newAuth0(t)
			r.con.Settings.Organization = "org_9ybsU1dN2dKfDkBi"
			r.says(map[string]any{"org_id": org, "org_name": "org_9ybsU1dN2dKfDkBi"})
			r.refused()
		})
	}
	r := newAuth0(t)
	r.says(map[string]any{"org_id": "org_any"})
	r.arrives() // the connection names none
}

// The slash is a part of the issuer (FO-01).
func TestAuth0IssuerWithoutItsSlash(t *testing.T) {
	r := newAuth0(t)
	r.con.Issuer = "https://acme.eu.auth0.com"
	r.unusable()
	if r.op.Seen("acme.eu.auth0.com") != 0 {
		t.Error("the provider was asked, though the mistake is known")
	}
	r = newAuth0(t)
	r.says(map[string]any{"iss": "https://acme.eu.auth0.com"})
	r.refused()
	// The same from a connection that is not said to be Auth0's.
	r = newAuth0(t)
	r.con.Preset, r.con.Issuer = "", "https://acme.eu.auth0.com"
	r.unusable()
}
