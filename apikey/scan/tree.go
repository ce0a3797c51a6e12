package scan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// sniffed is how much of a file decides whether it is text, in bytes: as much as git
// looks at.
const sniffed = 8000

// Seen counts what was looked at.
type Seen struct {
	Files int
	// Binary files were passed over: they have a zero byte near their beginning.
	Binary int
	// Unread are files and folders that could not be read; the error names them.
	Unread int
}

// Tree looks at a file, or at every regular file below a folder. Symbolic links are
// not followed, but for path itself. What cannot be read is passed over and is in
// the error, beside what was found in the rest.
func Tree(path string, found func(Finding)) (Seen, error) {
	var seen Seen
	var failed []error
	unread := func(err error) {
		seen.Unread++
		failed = append(failed, err)
	}
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Seen{Unread: 1}, fmt.Errorf("scan: %w", err)
	}
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			unread(fmt.Errorf("scan: %w", err))
		case d.Type().IsRegular():
			if err := file(shown(path, root, name), name, found, &seen); err != nil {
				unread(err)
			}
		}
		return nil
	})
	return seen, errors.Join(append(failed, err)...)
}

// shown is a file's path as the caller spells the root.
func shown(path, root, name string) string {
	rel, err := filepath.Rel(root, name)
	if err != nil || rel == "." {
		return path
	}
	return filepath.Join(path, rel)
}

func file(show, name string, found func(Finding), seen *Seen) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, sniffed)
	begin, err := r.Peek(sniffed)
	if err != nil && len(begin) == 0 && !errors.Is(err, io.EOF) {
		return fmt.Errorf("scan: %w", err)
	}
	if bytes.IndexByte(begin, 0) >= 0 {
		seen.Binary++
		return nil
	}
	seen.Files++
	return Reader(show, r, found)
}
