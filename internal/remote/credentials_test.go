package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func folder(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "watchgate")
}

func put(e entry) func(wallet) (wallet, error) {
	return func(w wallet) (wallet, error) { return w.put(e), nil }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsAreForTheirUserAlone(t *testing.T) {
	dir := folder(t)
	must(t, change(dir, put(entry{Server: "https://a", TenantID: "t", Refresh: "r"})))
	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, credentialsFile): 0o600, filepath.Join(dir, lockFile): 0o600} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
	names, err := os.ReadDir(dir)
	must(t, err)
	if len(names) != 2 {
		t.Errorf("what is left in the folder: %v", names)
	}
}

// What others could read, or put there, is not used.
func TestAttackCredentialsThatOthersCanGetAt(t *testing.T) {
	for name, open := range map[string]func(dir string) error{
		"file of the group": func(dir string) error { return os.Chmod(filepath.Join(dir, credentialsFile), 0o640) },
		"file of everybody": func(dir string) error { return os.Chmod(filepath.Join(dir, credentialsFile), 0o604) },
		"folder":            func(dir string) error { return os.Chmod(dir, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			must(t, change(dir, put(entry{Server: "https://a", TenantID: "t", Refresh: "r"})))
			must(t, open(dir))
			err := change(dir, func(w wallet) (wallet, error) {
				t.Error("they were read")
				return w, nil
			})
			if err == nil || !strings.Contains(err.Error(), "chmod") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAttackCredentialsOfAnotherUser(t *testing.T) {
	dir := folder(t)
	must(t, change(dir, put(entry{Server: "https://a", TenantID: "t"})))
	info, err := os.Stat(filepath.Join(dir, credentialsFile))
	must(t, err)
	if err := private("x", info, "600", os.Getuid()); err != nil {
		t.Error(err)
	}
	if err := private("x", info, "600", os.Getuid()+1); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("error %v", err)
	}
}

func TestFileThatIsNoneOfOurs(t *testing.T) {
	for _, body := range []string{"", "{", `{"version":2}`, `[]`} {
		dir := folder(t)
		must(t, os.Mkdir(dir, 0o700))
		must(t, os.WriteFile(filepath.Join(dir, credentialsFile), []byte(body), 0o600))
		if err := change(dir, put(entry{})); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%q: %v", body, err)
		}
		if kept, _ := os.ReadFile(filepath.Join(dir, credentialsFile)); string(kept) != body {
			t.Errorf("%q was overwritten", body)
		}
	}
}

// Many commands at once: none loses what another keeps, and who only reads finds a
// whole file at every moment.
func TestCommandsAtOnce(t *testing.T) {
	dir := folder(t)
	must(t, change(dir, put(entry{Server: "https://a", TenantID: "first"})))
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := change(dir, put(entry{Server: "https://a", TenantID: fmt.Sprint(i)})); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			body, err := os.ReadFile(filepath.Join(dir, credentialsFile))
			if err != nil || !json.Valid(body) {
				t.Errorf("half a file: %v", err)
			}
		})
	}
	wg.Wait()
	w, err := load(dir)
	must(t, err)
	if len(w.Entries) != 21 {
		t.Errorf("%d entries, want 21", len(w.Entries))
	}
}

func TestOneEntryForAServerAndTenant(t *testing.T) {
	var w wallet
	for _, e := range []entry{
		{Server: "https://a", TenantID: "1", Tenant: "acme", Refresh: "old"},
		{Server: "https://b", TenantID: "1", Tenant: "acme", Refresh: "b"},
		{Server: "https://a", TenantID: "2", Tenant: "globex", Refresh: "g"},
		{Server: "https://a", TenantID: "1", Tenant: "acme", Refresh: "new"},
	} {
		w = w.put(e)
	}
	if len(w.Entries) != 3 {
		t.Fatalf("%d entries", len(w.Entries))
	}
	for _, c := range []struct{ server, tenant, want string }{
		{"https://a", "", "new"}, {"https://a", "globex", "g"}, {"https://a", "1", "new"}, {"https://b", "", "b"}, {"https://c", "", ""}, {"https://b", "globex", ""},
	} {
		if e, _ := w.find(c.server, c.tenant); e.Refresh != c.want {
			t.Errorf("%v: %q", c, e.Refresh)
		}
	}
	w = w.update(entry{Server: "https://a", TenantID: "2", Tenant: "globex", Refresh: "h"})
	if e, _ := w.find("https://a", ""); e.Refresh != "new" {
		t.Error("a renewed entry became the last sign-in")
	}
}

func TestWhatIsChangedBesideAnErrorIsKept(t *testing.T) {
	dir, failed := folder(t), errors.New("failed")
	err := change(dir, func(w wallet) (wallet, error) { return w.put(entry{Server: "https://a"}), failed })
	w, loaded := load(dir)
	must(t, loaded)
	if !errors.Is(err, failed) || len(w.Entries) != 1 {
		t.Errorf("%v, %d entries", err, len(w.Entries))
	}
}

// AK-13: what prints an entry or a new key prints no secret.
func TestSecretsAreNotPrinted(t *testing.T) {
	e := entry{Server: "https://a", Access: "wgat_x", Refresh: "wgrt_x"}
	i := Issued{Key: Key{ID: "key_1"}, Secret: "up_live_x", WebhookSecret: "whsec_x"}
	for _, s := range []string{fmt.Sprint(e), fmt.Sprintf("%+v %#v", e, e), fmt.Sprint(i), fmt.Sprintf("%+v %#v", i, i), fmt.Sprintf("%v", []entry{e})} {
		for _, secret := range []string{"wgat_x", "wgrt_x", "up_live_x", "whsec_x"} {
			if strings.Contains(s, secret) {
				t.Errorf("%q shows %s", s, secret)
			}
		}
	}
}
