package process

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Edit is a change of one source file for a build: Old, which has to be there
// exactly once, becomes New. Without Old the file is added to the tree.
type Edit struct {
	File     string // from the repository's root
	Old, New string
}

// Build builds the program with edits into dir and returns its path. The tree is
// not touched: the compiler reads the edited files in place of the real ones (the
// -overlay flag of go build), and what is not edited comes out of its cache.
//
// A text that is not found once is an error: an edit of what is no longer there
// would build the program as it is.
func Build(ctx context.Context, dir string, edits ...Edit) (string, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, e := range edits {
		at := filepath.Join(root, filepath.FromSlash(e.File))
		if replace[at] == "" {
			replace[at] = filepath.Join(dir, fmt.Sprintf("edit-%d.go", i))
			if err := start(at, replace[at], e.Old == ""); err != nil {
				return "", err
			}
		}
		if err := e.apply(replace[at]); err != nil {
			return "", err
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file, bin := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "watchgate")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", err
	}
	// Without debug information a link takes half the time.
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-overlay", file, "-o", bin, Module+"/cmd/watchgate")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("process: build with edits: %w\n%s", err, out)
	}
	return bin, nil
}

// start copies the real file, or begins an empty one.
func start(real, copied string, empty bool) error {
	if empty {
		return os.WriteFile(copied, nil, 0o600)
	}
	body, err := os.ReadFile(real)
	if err != nil {
		return err
	}
	return os.WriteFile(copied, body, 0o600)
}

func (e Edit) apply(file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n := strings.Count(string(body), e.Old); e.Old != "" && n != 1 {
		return fmt.Errorf("process: %s has this text %d times and not once:\n%s", e.File, n, e.Old)
	}
	if e.Old == "" {
		return os.WriteFile(file, []byte(e.New), 0o600)
	}
	return os.WriteFile(file, []byte(strings.Replace(string(body), e.Old, e.New, 1)), 0o600)
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", Module).Output()
	return strings.TrimSpace(string(out)), err
}
