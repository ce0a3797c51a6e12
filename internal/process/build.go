package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// Module is the import path of the repository.
const Module = "github.com/watchgate/watchgate"

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "watchgate-bin-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "watchgate")
	cmd := exec.Command("go", "build", "-o", bin, Module+"/cmd/watchgate")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("process: build: %w\n%s", err, out)
	}
	return bin, nil
})

// Binary builds the program, once per process, and returns its path.
func Binary() (string, error) { return build() }

// Clean removes the built program. Nothing may run it any more.
func Clean() {
	if bin, err := build(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
}
