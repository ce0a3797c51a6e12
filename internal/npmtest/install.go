package npmtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// ErrNotInstalled is returned when the machine lacks Node.js or the packages.
var ErrNotInstalled = errors.New("npmtest: Node.js and npm's packages are needed: run `make deps`")

// Folder is where package.json lies: beside this source file, because tests run
// from a checkout.
func Folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Package returns the path of a file in an installed package, such as
// "axe-core/axe.min.js", after installing what package-lock.json pins if it is not
// there. Errors wrap [ErrNotInstalled].
func Package(name string) (string, error) {
	if err := install(); err != nil {
		return "", errors.Join(ErrNotInstalled, err)
	}
	path := filepath.Join(Folder(), "node_modules", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		return "", errors.Join(ErrNotInstalled, err)
	}
	return path, nil
}

// install runs `npm ci` unless it has run since package-lock.json last changed.
// Several test processes may ask at once: the first one works, under a lock that
// the system drops when its holder dies, and the others wait.
func install() error {
	lock, err := os.OpenFile(filepath.Join(Folder(), ".install.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if installed() {
		return nil
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = Folder()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}

// installed compares the wanted lock file with npm's record of what it installed,
// which it writes last.
func installed() bool {
	want, err := os.Stat(filepath.Join(Folder(), "package-lock.json"))
	if err != nil {
		return false
	}
	have, err := os.Stat(filepath.Join(Folder(), "node_modules", ".package-lock.json"))
	return err == nil && !have.ModTime().Before(want.ModTime())
}
