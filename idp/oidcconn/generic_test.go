package oidcconn

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// newGeneric is a provider of which nothing special is known, as Keycloak.
func newGeneric(t *testing.T) *room {
	r := newRoom(t)
	r.con.Preset = storage.PresetOIDC
	r.op.Person = load(t, "oidc/id_token.json")
	return r
}

func TestAnyProviderSignIn(t *testing.T) {
	r := newGeneric(t)
	r.con.RoleClaim = "/realm_access/roles"
	got := r.arrives()
	if got.Subject != "f3c1a9d2-5b7e-4c08-9e6d-1a2b3c4d5e6f" || got.SID != "5a6b7c8d-9e0f-4a1b-8c2d-3e4f5a6b7c8d" || got.Level != storage.LevelMFA {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(idp.RoleValues{Present: true, Values: []string{"watchgate-admin", "offline_access"}}, got.Roles); diff != "" {
		t.Error(diff)
	}
}

func TestRoleClaimByPointerIsFoundInUserinfo(t *testing.T) {
	r := newGeneric(t)
	r.con.RoleClaim, r.op.IDTokenClaims = "/realm_access/roles", []string{"sub", "email", "name"}
	if got := r.arrives().Roles; len(got.Values) != 2 {
		t.Errorf("%+v", got)
	}
}

// Only the JSON value true vouches for an address: a text does for no provider (row 51).
func TestAttackAddressVerifiedByAText(t *testing.T) {
	for _, preset := range []storage.Preset{storage.PresetOIDC, "", storage.PresetOkta} {
		r := newGeneric(t)
		r.con.Preset = preset
		r.again()
		for _, v := range []any{"true", "false", "1", 1, nil, false, []bool{true}, "TRUE"} {
			r.says(map[string]any{"email_verified": v})
			if got := r.arrives(); got.EmailVerified || got.Claims["email_verified"] != false {
				t.Errorf("%s: email_verified %#v verifies", preset, v)
			}
		}
	}
}

func TestNothingIsVerifiedWithoutAnAddress(t *testing.T) {
	r := newGeneric(t)
	r.says(map[string]any{"email": nil, "email_verified": true})
	if got := r.arrives(); got.EmailVerified || got.Claims["email_verified"] != nil {
		t.Errorf("%+v", got)
	}
}

// What belongs to one product is nothing to another: no hd, org_id, xms_edov or tid.
func TestAttackClaimsOfAnotherProduct(t *testing.T) {
	r := newGeneric(t)
	r.says(map[string]any{
		"email_verified": false, "xms_edov": true, "tid": acmeDirectory, "oid": alicesOID, "acrs": []string{"c1"},
		"_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://evil.example"}},
	})
	r.con.RoleClaim, r.con.Settings.GroupsFromGraph = "groups", true
	got := r.arrives()
	if got.EmailVerified || got.Subject != "f3c1a9d2-5b7e-4c08-9e6d-1a2b3c4d5e6f" || got.Roles.Present {
		t.Errorf("%+v", got)
	}
}

func TestUnknownPresetIsNoConnection(t *testing.T) {
	r := newRoom(t)
	r.con.Preset = "ping"
	if _, err := r.connect(t.Context(), tenant, r.con); !errors.Is(err, idp.ErrUpstreamInvalid) {
		t.Errorf("err = %v, want ErrUpstreamInvalid", err)
	}
}

func TestSessionIDsOfTheWrongTypeOrSizeAreDropped(t *testing.T) {
	r := newGeneric(t)
	for _, v := range []any{7, []string{"x"}, string(make([]byte, maxSID+1)), nil} {
		r.says(map[string]any{"sid": v})
		if got := r.arrives(); got.SID != "" {
			t.Errorf("sid %v", got.SID)
		}
	}
}
