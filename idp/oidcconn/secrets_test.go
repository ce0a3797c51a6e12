package oidcconn

import (
	"errors"
	"net/http"
	"testing"

	"github.com/watchgate/watchgate/idp/oidcconn/optest"
	"github.com/watchgate/watchgate/internal/seal"
)

func newOverlap(t *testing.T) *room {
	r := newRoom(t)
	r.con.SealedNextSecret = r.seal("next_secret", "the-next-one")
	r.again()
	return r
}

// A secret is rotated at the provider at some moment: before, the first is right, and
// after, the second. Nobody is locked out, and the right one is remembered.
func TestSecretRotationLocksNobodyOut(t *testing.T) {
	r := newOverlap(t)
	r.succeeds("before")
	if n := r.op.Seen("/token"); n != 1 {
		t.Errorf("%d requests before", n)
	}
	r.op.Secrets = []string{"the-next-one"}
	r.succeeds("after")
	r.succeeds("after, again")
	if n := r.op.Seen("/token"); n != 4 {
		t.Errorf("%d requests in all, want 4: the one that was refused is asked once", n)
	}
	r.op.Secrets = []string{optest.ClientSecret}
	r.succeeds("back again")
}

func TestSecretsThatAreBothRefused(t *testing.T) {
	r := newOverlap(t)
	r.op.Secrets = []string{"neither"}
	r.refused()
	if n := r.op.Seen("/token"); n != 2 {
		t.Errorf("%d requests, want one for each secret", n)
	}
}

// A code that is refused is not tried with the other secret: only a client that is not
// known is.
func TestNextSecretIsForUnknownClientsAlone(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusForbidden} {
		r := newOverlap(t)
		asked := 0
		r.op.Intercept = func(w http.ResponseWriter, req *http.Request) bool {
			if req.URL.Path != "/token" {
				return false
			}
			asked++
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			w.Write([]byte(`{"error":"invalid_grant"}`))
			return true
		}
		r.refused()
		if asked != 1 {
			t.Errorf("status %d: %d requests", status, asked)
		}
	}
}

func TestNextSecretIsOpenedAtItsOwnPlaceAlone(t *testing.T) {
	r := newRoom(t)
	r.con.SealedNextSecret = r.con.SealedSecret // of another column
	r.con.Version++
	if _, err := r.connect(t.Context(), tenant, r.con); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("err = %v, want ErrSealed", err)
	}
}

func TestNextSecretAloneServes(t *testing.T) {
	r := newOverlap(t)
	r.con.SealedSecret, r.op.Secrets = nil, []string{"the-next-one"}
	r.again()
	r.succeeds("the next secret alone")
}

func TestSecretsGoToTheTokenEndpointAlone(t *testing.T) {
	r := newOverlap(t)
	r.op.Secrets, r.op.IDTokenClaims = []string{"the-next-one"}, []string{"sub"}
	r.op.Intercept = func(_ http.ResponseWriter, req *http.Request) bool {
		if _, _, ok := req.BasicAuth(); ok && req.URL.Path != "/token" {
			t.Errorf("%s got a client secret", req.URL.Path)
		}
		return false
	}
	r.succeeds("rotated")
}
