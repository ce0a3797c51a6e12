package archtest

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// module is the path that every import of our own starts with.
const module = "github.com/watchgate/watchgate"

// file is one parsed Go file.
type file struct {
	// path is relative to the module's root, with slashes.
	path string
	// room is the package's folder relative to the module's root.
	room  string
	test  bool
	lines int
	set   *token.FileSet
	ast   *ast.File
}

// place names a position as editors understand it.
func (f *file) place(at token.Pos) string {
	return fmt.Sprintf("%s:%d", f.path, f.set.Position(at).Line)
}

// load parses every Go file that this platform builds.
func load(tree fs.FS) ([]*file, error) {
	var files []*file
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(name)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parse(tree, name)
		if parsed != nil {
			files = append(files, parsed)
		}
		return err
	})
	return files, err
}

// enter skips the folders that the go command skips, and those that hold no source
// of ours.
func enter(name string) error {
	base := path.Base(name)
	if name != "." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
		return fs.SkipDir
	}
	switch base {
	case "testdata", "node_modules", "vendor":
		return fs.SkipDir
	}
	return nil
}

// parse returns nil for a file that is generated or not for this platform.
func parse(tree fs.FS, name string) (*file, error) {
	source, err := fs.ReadFile(tree, name)
	if err != nil || !built(source) {
		return nil, err
	}
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(syntax) {
		return nil, nil
	}
	return &file{
		path: name, room: path.Dir(name), test: strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(source, []byte("\n")), set: set, ast: syntax,
	}, nil
}

// built evaluates the file's build constraint, without extra tags.
func built(source []byte) bool {
	lines := bufio.NewScanner(bytes.NewReader(source))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "package ") {
			return true
		}
		if constraint.IsGoBuild(line) {
			expression, err := constraint.Parse(line)
			return err != nil || expression.Eval(tagged)
		}
	}
	return true
}

func tagged(tag string) bool {
	return tag == runtime.GOOS || tag == runtime.GOARCH || tag == "unix" || strings.HasPrefix(tag, "go1.")
}

// imports calls visit with each import path of the file.
func (f *file) imports(visit func(imported string, at token.Pos)) {
	for _, spec := range f.ast.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			visit(imported, spec.Pos())
		}
	}
}

// ours returns the room that an import path names, if it is one of ours.
func ours(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// standard tells the standard library's import paths: their first element is no
// host name.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// within reports whether a room or import path is one of the roots or below it.
func within(name string, roots ...string) bool {
	for _, root := range roots {
		if name == root || strings.HasPrefix(name, root+"/") {
			return true
		}
	}
	return false
}
