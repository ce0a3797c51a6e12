package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// Budgets are far above what the code aims at (functions of about 10 lines, files
// of about 120): they stop drift, not a table or a page of SQL.
const (
	maxFileLines     = 700
	maxFunctionLines = 100
)

var emptyNames = []string{"util", "utils", "common", "types", "models", "helpers", "helper", "misc", "shared"}

// checkName forbids names that say nothing about what is inside.
func checkName(f *file, note report) {
	for _, name := range []string{strings.TrimSuffix(f.ast.Name.Name, "_test"), path.Base(f.room)} {
		if slices.Contains(emptyNames, name) {
			note(f.place(f.ast.Name.Pos()), fmt.Sprintf("a package called %s", name),
				"such a package attracts what nobody placed, and in the end everything imports it; name it after what it does")
			return
		}
	}
}

// checkPatience finds tests that wait by the clock or that do not run.
func checkPatience(f *file, note report) {
	if !f.test && !within(f.room, kits...) {
		return
	}
	eachSelector(f, func(x *ast.Ident, name string, at token.Pos) {
		switch {
		case x.Name == "time" && name == "Sleep":
			note(f.place(at), "time.Sleep in a test",
				"a sleep is too short on a busy machine and too long on every other; wait for the event, use the injected clock or testing/synctest")
		case len(x.Name) <= 2 && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, name):
			note(f.place(at), x.Name+"."+name+" in a test",
				"a suite that skips half of itself looks like one that passes; what the machine lacks is a failure that names `make deps`")
		}
	})
}

// clockRooms may ask the system for the time.
var clockRooms = map[string]string{
	"cmd":                  "this is where the clock is chosen",
	"examples":             "a client of its own, not a part of the server",
	"internal/bench":       "measures",
	"internal/browsertest": "bounds how long a browser may hang",
	"internal/e2e":         "runs whole servers, which have the system's clock",
	"internal/npmtest":     "bounds how long a process may hang",
	"internal/pgtest":      "bounds how long a process may hang",
	"internal/process":     "notes when a process was started, and bounds how long it may hang",
}

// checkClock finds product code whose behaviour in time cannot be tested.
func checkClock(f *file, note report) {
	if f.test {
		return
	}
	for room := range clockRooms {
		if within(f.room, room) {
			return
		}
	}
	calls(f, func(x *ast.Ident, name string, at token.Pos) {
		if x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, name) {
			note(f.place(at), "time."+name+"()",
				"expiry, idleness and rotation are tested by moving the clock: take `now func() time.Time` as a parameter")
		}
	})
}

// checkBudget bounds what a reader has to hold in mind.
func checkBudget(f *file, note report) {
	const why = "what does not fit on a few screens is not reviewed; find the part that has a name of its own"
	if f.lines > maxFileLines {
		note(f.path, fmt.Sprintf("%d lines, more than %d", f.lines, maxFileLines), why)
	}
	for _, declaration := range f.ast.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok {
			continue
		}
		lines := f.set.Position(function.End()).Line - f.set.Position(function.Pos()).Line + 1
		if lines > maxFunctionLines {
			note(f.place(function.Pos()), fmt.Sprintf("%s has %d lines, more than %d", function.Name.Name, lines, maxFunctionLines), why)
		}
	}
}

// checkDocumented asks each package for a doc.go with a package comment.
func checkDocumented(files []*file, note report) {
	documented := map[string]bool{}
	for _, f := range files {
		has := path.Base(f.path) == "doc.go" && f.ast.Doc != nil
		documented[f.room] = documented[f.room] || has
	}
	for room, ok := range documented {
		if !ok {
			note(room, "no doc.go with a package comment", "a room says at its door what it owns and what it does not, or the next line lands in the wrong one")
		}
	}
}

// eachSelector visits every name.Name of the file, called or not.
func eachSelector(f *file, visit func(x *ast.Ident, name string, at token.Pos)) {
	ast.Inspect(f.ast, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok {
				visit(x, selector.Sel.Name, selector.Pos())
			}
		}
		return true
	})
}

// calls visits every name.Name(...) of the file.
func calls(f *file, visit func(x *ast.Ident, name string, at token.Pos)) {
	ast.Inspect(f.ast, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok {
			if selector, ok := call.Fun.(*ast.SelectorExpr); ok {
				if x, ok := selector.X.(*ast.Ident); ok {
					visit(x, selector.Sel.Name, selector.Pos())
				}
			}
		}
		return true
	})
}
