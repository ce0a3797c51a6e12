package archtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/watchgate/watchgate/internal/archtest"
)

func TestTheRepositoryKeepsItsShape(t *testing.T) {
	violations, err := archtest.Check(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

// root is the nearest folder above with a go.mod.
func root(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Fatal("no go.mod above the test")
		}
		folder = parent
	}
}
