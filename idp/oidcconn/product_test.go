package oidcconn

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// load reads a JSON object of testdata.
func load(t *testing.T, name string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// newProduct is a room whose provider has a product's document, and signs in the person
// of its ID token. The connection's issuer is where the document is.
func newProduct(t *testing.T, preset storage.Preset, issuer, document, person string) *room {
	t.Helper()
	r := newRoom(t)
	r.op.Pose(issuer)
	doc := load(t, document)
	r.op.Discovery = func(d map[string]any) {
		clear(d)
		maps.Copy(d, doc)
	}
	r.op.Person = load(t, person)
	r.con.Preset, r.con.Issuer = preset, issuer
	r.again()
	return r
}

// again opens the connection anew.
func (r *room) again() {
	r.con.Version++
	r.connect = Connect(Config{Client: r.op.Client, Opener: r.sealer, Now: r.clock.Now})
}

// says changes what the provider says of the person; nil takes a claim away.
func (r *room) says(claims map[string]any) {
	for name, v := range claims {
		if r.op.Person[name] = v; v == nil {
			delete(r.op.Person, name)
		}
	}
}

// arrives signs in and wants it to succeed.
func (r *room) arrives() idp.Subject {
	r.t.Helper()
	got, err := r.signIn()
	if err != nil {
		r.t.Fatalf("refused: %v", err)
	}
	return got
}

// unusable wants the connection to send nobody anywhere.
func (r *room) unusable() {
	r.t.Helper()
	r.again()
	if to, err := r.connector().AuthURL(r.t.Context(), request); !errors.Is(err, idp.ErrUpstreamInvalid) {
		r.t.Errorf("goes to %q, err = %v; want ErrUpstreamInvalid", to, err)
	}
}

// oktaOrganization is the authorization server of an organization that has a custom one,
// too.
func oktaOrganization(t *testing.T, key jose.JSONWebKey) http.Handler {
	doc := load(t, "okta/discovery_org.json")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]any{
			"/.well-known/openid-configuration": doc,
			"/oauth2/v1/keys":                   jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}},
		}[r.URL.Path]
		if answer == nil || r.Host != "acme.okta.com" {
			http.NotFound(w, r)
			return
		}
		json.NewEncoder(w).Encode(answer)
	})
}
