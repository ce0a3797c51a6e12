package pgtest

import (
	"os"
	"path/filepath"
	"syscall"
)

// maxBase keeps the socket's path under the 107 bytes that a unix socket address
// can hold.
const maxBase = 60

// newFolder makes the server's folder, owned by the account that runs it and
// closed to everybody else (mode 0700).
func newFolder(account *syscall.Credential) (string, error) {
	folder, err := os.MkdirTemp(baseFolder(account), "watchgate-pg-")
	if err != nil {
		return "", err
	}
	return folder, give(folder, account)
}

// baseFolder is the system's temporary folder, or /tmp when that one is too deep
// for a socket's path or is closed to the account (root's own TMPDIR often is).
func baseFolder(account *syscall.Credential) string {
	base := os.TempDir()
	if len(base) > maxBase || (account != nil && !openToAll(base)) {
		return "/tmp"
	}
	return base
}

// openToAll reports whether every account may pass through the folder and its
// parents.
func openToAll(folder string) bool {
	for {
		info, err := os.Stat(folder)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return true
		}
		folder = parent
	}
}

// give hands a file over to the account that runs the server.
func give(path string, account *syscall.Credential) error {
	if account == nil {
		return nil
	}
	return os.Chown(path, int(account.Uid), int(account.Gid))
}
