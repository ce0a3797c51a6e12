package remote

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const (
	credentialsFile = "credentials.json"
	lockFile        = "credentials.lock"
	// maxCredentials bounds the file, in bytes.
	maxCredentials = 1 << 20
)

// Dir is where the user's credentials are kept.
func Dir() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("there is no place for credentials: %w", err)
	}
	return filepath.Join(dir, "watchgate"), nil
}

// entry is what one sign-in gave.
type entry struct {
	Server   string `json:"server"`
	TenantID string `json:"tenant_id"`
	Tenant   string `json:"tenant"` // its slug
	// Access is good until AccessEnds; "" when there is none.
	Access     string    `json:"access_token,omitempty"`
	AccessEnds time.Time `json:"access_token_ends,omitzero"`
	Refresh    string    `json:"refresh_token"`
	SignedInAt time.Time `json:"signed_in_at"`
}

// String keeps the tokens out of whatever prints an entry.
func (e entry) String() string { return "sign-in at " + e.Server + " for " + e.Tenant }

// GoString is String for %#v.
func (e entry) GoString() string { return e.String() }

// wallet is the content of the file: at most one entry for a server and tenant,
// the last sign-in first.
type wallet struct {
	Version int     `json:"version"` // 1
	Entries []entry `json:"entries"`
}

// find returns the last sign-in at a server, in a tenant if one is named.
func (w wallet) find(server, tenant string) (entry, bool) {
	i := slices.IndexFunc(w.Entries, func(e entry) bool {
		return e.Server == server && (tenant == "" || e.Tenant == tenant || e.TenantID == tenant)
	})
	if i < 0 {
		return entry{}, false
	}
	return w.Entries[i], true
}

// without returns the wallet without what it has for that server and tenant.
func (w wallet) without(e entry) wallet {
	w.Entries = slices.DeleteFunc(slices.Clone(w.Entries), func(o entry) bool {
		return o.Server == e.Server && o.TenantID == e.TenantID
	})
	return w
}

// put returns the wallet with an entry that was just signed in with.
func (w wallet) put(e entry) wallet {
	w = w.without(e)
	w.Entries = slices.Insert(w.Entries, 0, e)
	return w
}

// update returns the wallet with an entry in the place that it had.
func (w wallet) update(e entry) wallet {
	w.Entries = slices.Clone(w.Entries)
	for i, o := range w.Entries {
		if o.Server == e.Server && o.TenantID == e.TenantID {
			w.Entries[i] = e
		}
	}
	return w
}

// change reads the file, lets edit say what shall be in it, and replaces it, while
// no other command does. edit's error comes back, and what it returned beside it is
// kept all the same.
func change(dir string, edit func(wallet) (wallet, error)) error {
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := load(dir)
	if err != nil {
		return err
	}
	changed, failed := edit(old)
	if err := save(dir, changed); err != nil {
		return err
	}
	return failed
}

// lock waits until no other command uses the folder's credentials.
func lock(dir string) (unlock func(), err error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot use the credentials folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot lock the credentials: %w", err)
	}
	return func() { f.Close() }, nil
}

// makeDir makes the folder for its user alone, or refuses one that is not.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the credentials folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("cannot use the credentials folder: %w", err)
	}
	return private(dir, info, "700", os.Getuid())
}

// private refuses what others than the user may read or replace.
func private(name string, info fs.FileInfo, mode string, user int) error {
	stat, known := info.Sys().(*syscall.Stat_t)
	switch {
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("others can get at %s, which holds credentials: run 'chmod %s %s', and think about who may have read it", name, mode, name)
	case known && int(stat.Uid) != user:
		return fmt.Errorf("%s, which holds credentials, belongs to another user", name)
	}
	return nil
}

// load reads the file; none is an empty wallet.
func load(dir string) (wallet, error) {
	name := filepath.Join(dir, credentialsFile)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return wallet{Version: 1}, nil
	}
	if err != nil {
		return wallet{}, fmt.Errorf("cannot read the credentials: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return wallet{}, fmt.Errorf("cannot read the credentials: %w", err)
	}
	if err := private(name, info, "600", os.Getuid()); err != nil {
		return wallet{}, err
	}
	return parseWallet(f, name, info.Size())
}

func parseWallet(f *os.File, name string, size int64) (wallet, error) {
	var w wallet
	if size > maxCredentials || json.NewDecoder(f).Decode(&w) != nil || w.Version != 1 {
		return wallet{}, fmt.Errorf("%s is not what this program wrote: remove it and sign in again", name)
	}
	return w, nil
}

// save replaces the file in one step: whoever reads it finds all of the old or all
// of the new.
func save(dir string, w wallet) error {
	body, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".credentials-*") // 0600
	if err != nil {
		return fmt.Errorf("cannot write the credentials: %w", err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(append(body, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, credentialsFile))
	}
	if err != nil {
		return fmt.Errorf("cannot write the credentials: %w", err)
	}
	return nil
}
