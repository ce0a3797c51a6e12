package storagetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// migrated is the content of a database file without a row, once it was made.
var migrated struct {
	sync.Mutex
	content []byte
}

// File returns the path of a fresh database file that belongs to this test alone. It
// is a copy of one that migrate prepared, once per process: copying costs a
// millisecond where migrating costs half a second. All calls in a process have to
// mean the same migrate, and migrate has to leave nothing beside the file.
func File(t testing.TB, migrate func(ctx context.Context, path string) error) string {
	t.Helper()
	migrated.Lock()
	defer migrated.Unlock()
	path := filepath.Join(t.TempDir(), "watchgate.db")
	if migrated.content != nil {
		if err := os.WriteFile(path, migrated.content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	migrated.content = content
	return path
}
