package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// ErrNotInstalled is returned when the machine has no PostgreSQL server.
var ErrNotInstalled = errors.New("pgtest: no PostgreSQL server found in /usr/lib/postgresql/*/bin or on PATH: run `make deps`, or name a server in WATCHGATE_TEST_POSTGRES")

// Binary returns the path of a program that comes with the server, such as
// "pgbench" or "psql". Debian keeps them off PATH, one folder per version; the
// newest wins. It returns an error that wraps [ErrNotInstalled] when there is none.
func Binary(name string) (string, error) {
	folder, err := binaryFolder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		return "", errors.Join(ErrNotInstalled, err)
	}
	return path, nil
}

func binaryFolder() (string, error) {
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(folders, func(a, b string) int { return debianVersion(b) - debianVersion(a) })
	if path, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(path))
	}
	for _, folder := range folders {
		if isServerFolder(folder) {
			return folder, nil
		}
	}
	return "", ErrNotInstalled
}

func debianVersion(folder string) int {
	version, err := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
	if err != nil {
		return 0
	}
	return version
}

// isServerFolder tells a server's folder from one with only the client's tools.
func isServerFolder(folder string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return false
		}
	}
	return true
}

// unprivileged returns the account that the server runs under: nil for the
// caller's own, which PostgreSQL accepts unless it is root's.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if account, err := user.Lookup(name); err == nil {
			return credential(account)
		}
	}
	return nil, errors.New("pgtest: PostgreSQL refuses to run as root, and there is neither a postgres nor a nobody account to run it as")
}

func credential(account *user.User) (*syscall.Credential, error) {
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
