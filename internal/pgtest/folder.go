package pgtest

import (
	"os"
	"path/filepath"
	"syscall"
)

// maxBase keeps the socket's path under the 107 bytes that a unix socket address
// can hold.
const maxBase = 60

// memory is where Linux keeps files in memory. A database is a thousand files: to
// clone one there costs a tenth of what it costs on a disk.
const memory = "/dev/shm"

// roomInMemory is what has to be free in memory so that a server's folder lies
// there: several run side by side, and each has up to [walInMemory] of log.
const roomInMemory = 4 << 30

// newFolder makes the server's folder, owned by the account that runs it and
// closed to everybody else (mode 0700). What is durable lies on a disk.
func newFolder(account *syscall.Credential, durable bool) (string, error) {
	base := memory
	if durable || !roomy(memory) {
		base = baseFolder(account)
	}
	folder, err := os.MkdirTemp(base, "watchgate-pg-")
	if err != nil {
		return "", err
	}
	return folder, give(folder, account)
}

// roomy reports whether a folder is there and has [roomInMemory], and everybody may
// use it.
func roomy(folder string) bool {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil || uint64(fs.Bavail)*uint64(fs.Bsize) < roomInMemory {
		return false
	}
	info, err := os.Stat(folder)
	return err == nil && info.Mode().Perm() == 0o777
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
