package archtest_test

import (
	"fmt"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/watchgate/watchgate/internal/archtest"
)

// check runs the rules on a tree of one file in a documented package.
func check(t *testing.T, name, source string) []archtest.Violation {
	t.Helper()
	tree := fstest.MapFS{
		name:                                {Data: []byte(source)},
		path.Join(path.Dir(name), "doc.go"): {Data: []byte("// Package x is documented.\npackage x\n")},
	}
	violations, err := archtest.Check(tree)
	if err != nil {
		t.Fatal(err)
	}
	return violations
}

func importing(imported string) string {
	if strings.HasPrefix(imported, "./") {
		imported = "github.com/watchgate/watchgate" + imported[1:]
	}
	return fmt.Sprintf("package x\n\nimport _ %q\n", imported)
}

func TestImports(t *testing.T) {
	cases := []struct {
		file, imports string
		forbidden     bool
	}{
		{"cmd/watchgate/a.go", "./authz", false},
		{"cmd/watchgate/a.go", "./storage/sqlstore", false},
		{"authz/a.go", "./storage", false},
		{"authz/a.go", "./audit", false},
		{"authz/a.go", "./internal/signer", false},
		{"idp/a.go", "./idp/oidcconn", false},
		{"internal/web/a.go", "./storage", false},
		{"internal/web/a.go", "./templates", false},
		{"storage/sqlstore/a.go", "./migrations", false},
		{"storage/sqlstore/a.go", "./storage", false},
		{"examples/monitorapi/a.go", "./templates", false},
		{"examples/monitorapi/a.go", "./introspect/guard", false},
		{"internal/e2e/a.go", "./authz", false},

		{"authz/a.go", "./cmd/watchgate", true},
		{"audit/a.go", "./authz", true},
		{"internal/web/a.go", "./idp", true},
		{"templates/a.go", "./console", true},
		{"storage/a.go", "./audit", true},
		{"storage/sqlstore/a.go", "./internal/web", true},
		{"authz/a.go", "./storage/sqlstore", true},
		{"internal/flow/a.go", "./migrations", true},
		{"examples/monitorapi/a.go", "./authz", true},
		{"examples/monitorapi/a.go", "./storage", true},

		{"authz/a.go", "./idp", true},
		{"authz/a_test.go", "./introspect", true},
		{"introspect/a.go", "./apikey", true},
		{"idp/oidcconn/a.go", "./authz", true},

		{"authz/a.go", "./internal/pgtest", true},
		{"cmd/watchgate/a.go", "./storage/storagetest", true},
		{"authz/a_test.go", "./internal/pgtest", false},
		{"internal/bench/a.go", "./internal/pgtest", false},

		{"storage/a.go", "github.com/google/uuid", true},
		{"storage/a.go", "crypto/rand", false},
		{"introspect/guard/a.go", "./storage", true},
		{"introspect/guard/a.go", "net/http", false},

		{"authz/a.go", "github.com/ory/fosite", false},
		{"idp/a.go", "github.com/ory/fosite/token/jwt", true},
		{"authz/a_test.go", "github.com/ory/fosite", false},
		{"internal/e2e/a_test.go", "github.com/ory/fosite", true},
		{"idp/oidcconn/a.go", "github.com/coreos/go-oidc/v3/oidc", false},
		{"idp/a.go", "golang.org/x/oauth2", true},
		{"internal/e2e/a_test.go", "golang.org/x/oauth2", false},
		{"storage/sqlstore/a.go", "github.com/jackc/pgx/v5/pgxpool", false},
		{"authz/a.go", "github.com/jackc/pgx/v5", true},
		{"cmd/watchgate/a.go", "modernc.org/sqlite", true},
		{"introspect/a.go", "database/sql", true},
		{"internal/signer/a.go", "github.com/go-jose/go-jose/v4/jwt", false},
		{"console/a.go", "github.com/go-jose/go-jose/v4", true},
		{"authz/a.go", "github.com/go-jose/go-jose/v3", true},
		{"idp/a.go", "github.com/gorilla/sessions", false},
		{"console/a.go", "github.com/gorilla/sessions", true},
		{"authz/a_test.go", "github.com/stretchr/testify/require", true},
	}
	for _, c := range cases {
		t.Run(c.file+" imports "+c.imports, func(t *testing.T) {
			violations := check(t, c.file, importing(c.imports))
			if got := len(violations) > 0; got != c.forbidden {
				t.Errorf("forbidden = %t, want %t: %v", got, c.forbidden, violations)
			}
			for _, v := range violations {
				if v.Why == "" || !strings.HasPrefix(v.Place, c.file) {
					t.Errorf("does not say where and why: %+v", v)
				}
			}
		})
	}
}

func TestHabits(t *testing.T) {
	long := func(lines int) string { return strings.Repeat("\t_ = 0\n", lines) }
	cases := []struct {
		name, file, source string
		forbidden          bool
	}{
		{"a test sleeps", "authz/a_test.go", "package x\nfunc f() { time.Sleep(1) }", true},
		{"a kit sleeps", "internal/pgtest/a.go", "package x\nfunc f() { time.Sleep(1) }", true},
		{"a test skips", "authz/a_test.go", "package x\nfunc f(t *testing.T) { t.Skip() }", true},
		{"a benchmark skips", "authz/a_test.go", "package x\nfunc f(b *testing.B) { b.Skipf(``) }", true},
		{"product code asks for the time", "authz/a.go", "package x\nvar a = time.Now()", true},
		{"product code measures", "authz/a.go", "package x\nvar a = time.Since(b)", true},
		{"the program asks for the time", "cmd/watchgate/a.go", "package x\nvar a = time.Now()", false},
		{"a test asks for the time", "authz/a_test.go", "package x\nvar a = time.Now()", false},
		{"product code names the clock", "authz/a.go", "package x\nvar now = time.Now", false},
		{"an empty name", "internal/util/a.go", "package util", true},
		{"an empty package clause", "internal/clocks/a.go", "package helpers", true},
		{"a long function", "authz/a.go", "package x\nfunc f() {\n" + long(99) + "}\n", true},
		{"a function within budget", "authz/a.go", "package x\nfunc f() {\n" + long(98) + "}\n", false},
		{"a long file", "authz/a.go", "package x\n" + strings.Repeat("\n", 700), true},
		{"a long generated file", "authz/a.go", "// Code generated by x. DO NOT EDIT.\n\npackage x\n" + strings.Repeat("\n", 700), false},
		{"a file that is not built", "authz/a.go", "//go:build ignore\n\npackage x\nvar a = time.Now()", false},
		{"a file built here", "authz/a.go", "//go:build unix\n\npackage x\nvar a = time.Now()", true},
		{"a dependency's source", "internal/npmtest/node_modules/x/a.go", "package util", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			violations := check(t, c.file, c.source)
			if got := len(violations) > 0; got != c.forbidden {
				t.Errorf("forbidden = %t, want %t: %v", got, c.forbidden, violations)
			}
		})
	}
}

func TestAPackageWithoutADocFileIsFound(t *testing.T) {
	for name, tree := range map[string]fstest.MapFS{
		"none":              {"authz/a.go": {Data: []byte("// Package authz is documented elsewhere.\npackage authz\n")}},
		"without a comment": {"authz/doc.go": {Data: []byte("package authz\n")}},
	} {
		violations, err := archtest.Check(tree)
		if err != nil || len(violations) != 1 || violations[0].Place != "authz" {
			t.Errorf("%s: %v, %v", name, violations, err)
		}
	}
}

func TestAFileThatDoesNotParseIsAnError(t *testing.T) {
	if _, err := archtest.Check(fstest.MapFS{"authz/a.go": {Data: []byte("pack age")}}); err == nil {
		t.Error("no error for a file that is not Go")
	}
}
