package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/storage"
)

// start opens the deployment of a configuration with these lines as its secret,
// and does what a server does before it serves.
func start(t *testing.T, file string, lines ...string) (*deployment, error) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "secret"), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := readServerConfig(file, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	d, err := openDeployment(t.Context(), cfg, quietLog())
	if err != nil {
		return nil, err
	}
	t.Cleanup(d.close)
	return d, d.ready(t.Context())
}

// TestMasterSecretIsChangedInTwoStarts is KM-05: after one start with both, the
// new master secret alone opens everything.
func TestMasterSecretIsChangedInTwoStarts(t *testing.T) {
	file := deploymentFile(t)
	old, fresh := seal.Generate(), seal.Generate()
	d, err := start(t, file, old)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := d.signer.Sign(t.Context(), signer.ES256, "JWT", map[string]any{"sub": "usr_1"})
	if err != nil {
		t.Fatal(err)
	}
	acme, err := d.dir.CreateTenant(t.Context(), "acme", "Acme")
	if err != nil {
		t.Fatal(err)
	}
	con, err := d.dir.CreateUnseenConnection(t.Context(), "acme", storage.Connection{
		Kind: storage.OIDC, Name: "Okta", Issuer: "https://idp.example", ClientID: "us", DefaultRole: storage.RoleMember,
	}, "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	d.close()
	if d, err = start(t, file, fresh, old); err != nil {
		t.Fatal(err)
	}
	d.close()
	if d, err = start(t, file, fresh); err != nil {
		t.Fatalf("without the old line: %v", err)
	}
	if _, err := d.signer.Verify(t.Context(), signed); err != nil {
		t.Errorf("signed before: %v", err)
	}
	if con, err = d.store.Tenant(acme.ID).Connection(t.Context(), con.ID); err != nil {
		t.Fatal(err)
	}
	place := seal.Place{Tenant: acme.ID, Table: "connections", Column: "client_secret", Row: string(con.ID)}
	if plain, err := d.sealer.Open(place, con.SealedSecret); err != nil || string(plain) != "s3cret" {
		t.Errorf("the client secret: %q, %v", plain, err)
	}
}

// TestServerThatCouldNotSignDoesNotStart: one key is sealed under the new master
// secret, and the old one, which sealed the active keys, is gone.
func TestServerThatCouldNotSignDoesNotStart(t *testing.T) {
	file := deploymentFile(t)
	old, fresh := seal.Generate(), seal.Generate()
	d, err := start(t, file, old)
	if err != nil {
		t.Fatal(err)
	}
	resealNext(t, d, fresh)
	d.close()
	if _, err = start(t, file, fresh); err == nil || !strings.Contains(err.Error(), "secret_file") || !strings.Contains(err.Error(), "sign") {
		t.Errorf("error %v, want one that names secret_file", err)
	}
}

// resealNext seals a key that does not sign yet under another master secret.
func resealNext(t *testing.T, d *deployment, secret string) {
	t.Helper()
	other, err := sealerOf([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := d.store.SigningKeys(t.Context(), storage.SignTokens)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if !k.ActiveAt.IsZero() {
			continue
		}
		place := seal.Place{Table: "signing_keys", Column: "private", Row: k.KID}
		plain, err := d.sealer.Open(place, k.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		if k.Sealed, err = other.Seal(place, plain); err != nil {
			t.Fatal(err)
		}
		ev := audit.SigningKeysChanged(t.Context(), now(), []string{k.KID}, "created")
		if err := d.store.PutSigningKeys(t.Context(), []storage.SigningKey{k}, ev); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("no key is next")
}
