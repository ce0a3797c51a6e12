package oidcconn

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

const (
	oktaOrg    = "https://acme.okta.com"
	oktaCustom = "https://acme.okta.com/oauth2/aus1b2c3d4E5f6G7h8i9"
)

func newOkta(t *testing.T) *room {
	return newProduct(t, storage.PresetOkta, oktaOrg, "okta/discovery_org.json", "okta/id_token.json")
}

func TestOktaSignIn(t *testing.T) {
	for issuer, document := range map[string]string{oktaOrg: "okta/discovery_org.json", oktaCustom: "okta/discovery_custom.json"} {
		t.Run(issuer, func(t *testing.T) {
			r := newProduct(t, storage.PresetOkta, issuer, document, "okta/id_token.json")
			r.con.RoleClaim = "groups"
			got := r.arrives()
			if got.Issuer != issuer || got.Subject != "00uid4BxXw6I6TV4m0g3" || !got.EmailVerified || got.Level != storage.LevelMFA {
				t.Errorf("%+v", got)
			}
			if diff := cmp.Diff(idp.RoleValues{Present: true, Values: []string{"Everyone", "Watchgate Admins"}}, got.Roles); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The issuers of an organization and of its custom servers differ in what follows the
// host, and a token of the one is none of the other.
func TestAttackOktaTokenOfAnotherAuthorizationServer(t *testing.T) {
	r := newOkta(t)
	r.says(map[string]any{"iss": oktaCustom})
	r.refused()
	r = newProduct(t, storage.PresetOkta, oktaCustom, "okta/discovery_custom.json", "okta/id_token.json")
	r.says(map[string]any{"iss": oktaOrg})
	r.refused()
	r = newProduct(t, storage.PresetOkta, oktaCustom, "okta/discovery_org.json", "okta/id_token.json")
	r.unusable()
}

// No claim is not an empty one (FO-16).
func TestOktaGroupsThatAreNotSentAreAbsent(t *testing.T) {
	r := newOkta(t)
	r.con.RoleClaim = "groups"
	r.says(map[string]any{"groups": nil})
	if got := r.arrives().Roles; got.Present {
		t.Errorf("%+v", got)
	}
	r.says(map[string]any{"groups": []string{}})
	if got := r.arrives().Roles; !got.Present || len(got.Values) != 0 || got.Problem != "" {
		t.Errorf("%+v", got)
	}
}

// An organization's access tokens are opaque to us: what is in them is not looked at.
// They are used once, at userinfo, when the ID token is a thin one.
func TestOktaThinIDTokenIsFilledFromUserinfo(t *testing.T) {
	r := newOkta(t)
	r.con.RoleClaim = "groups"
	r.op.IDTokenClaims = []string{"sub", "ver", "amr", "idp", "auth_time", "preferred_username"}
	got := r.arrives()
	if got.Email != "alice@acme.com" || !got.EmailVerified || len(got.Roles.Values) != 2 || got.Level != storage.LevelMFA {
		t.Errorf("%+v", got)
	}
}

// Evidence is of the ID token: userinfo is about the person, and not about a sign-in.
func TestAttackEvidenceFromUserinfo(t *testing.T) {
	r := newOkta(t)
	r.op.IDTokenClaims = []string{"sub", "auth_time"}
	r.says(map[string]any{"acr": "urn:okta:loa:2fa:any", "sid": "x"})
	if got := r.arrives(); got.Level != storage.LevelNone || got.AMR != nil || got.ACR != "" || got.SID != "" {
		t.Errorf("%+v", got)
	}
}
