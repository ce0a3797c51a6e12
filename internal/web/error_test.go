package web

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/storage"
)

type pgError struct{}

func (pgError) Error() string    { return "FATAL: the database is starting up" }
func (pgError) SQLState() string { return "57P03" }

func TestWhatAnErrorBecomes(t *testing.T) {
	own := Refuse(400, "invalid_grant", "No.", nil)
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"own":               {fmt.Errorf("wrapped: %w", own), 400, "invalid_grant"},
		"canceled":          {context.Canceled, 503, "temporarily_unavailable"},
		"deadline":          {fmt.Errorf("x: %w", context.DeadlineExceeded), 503, "temporarily_unavailable"},
		"bad connection":    {driver.ErrBadConn, 503, "temporarily_unavailable"},
		"network":           {fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), 503, "temporarily_unavailable"},
		"PostgreSQL":        {fmt.Errorf("x: %w", pgError{}), 503, "temporarily_unavailable"},
		"unmapped sentinel": {storage.ErrConflict, 500, "server_error"},
		"body":              {&http.MaxBytesError{Limit: 1}, 413, "invalid_request"},
		"anything":          {errors.New("anything"), 500, "server_error"},
	} {
		if e := AsError(c.err); e.Status != c.status || e.Code != c.code {
			t.Errorf("%s: %d %s, want %d %s", name, e.Status, e.Code, c.status, c.code)
		}
	}
}

func TestOAuthErrorOnTheWire(t *testing.T) {
	w := httptest.NewRecorder()
	e := Refuse(401, "invalid_client", "Bad \"quoted\\ text\n\u202e.", errors.New("INTERNAL")).With("WWW-Authenticate", `Basic realm="x"`)
	WriteOAuthError(w, httptest.NewRequest("POST", "/", nil), e)
	want := http.Header{
		"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "Pragma": {"no-cache"}, "Www-Authenticate": {`Basic realm="x"`},
	}
	if d := cmp.Diff(want, w.Header()); d != "" {
		t.Error(d)
	}
	if got := w.Body.String(); got != `{"error":"invalid_client","error_description":"Bad  quoted  text    ."}` {
		t.Error(got)
	}
}

func TestUnavailableSaysWhenToRetry(t *testing.T) {
	e := Unavailable(errors.New("x"))
	if e.Status != 503 || e.Header.Get("Retry-After") != "1" {
		t.Errorf("%+v", e)
	}
	if again := e.With("A", "b"); e.Header.Get("A") != "" || again.Header.Get("Retry-After") != "1" {
		t.Error("With must copy")
	}
}

func TestWriteJSONWritesNothingItCannotEncode(t *testing.T) {
	w := httptest.NewRecorder()
	if err := WriteJSON(w, 200, func() {}); err == nil || w.Body.Len() > 0 || len(w.Header()) > 0 {
		t.Errorf("err %v, wrote %d bytes", err, w.Body.Len())
	}
}

// TestPublicTextsAreRFC6749 reads every public text in the module's source.
func TestPublicTextsAreRFC6749(t *testing.T) {
	texts := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil // somebody is writing it; the compiler will say so
		}
		ast.Inspect(file, func(n ast.Node) bool {
			for _, s := range publicTexts(n) {
				texts++
				if s != printable(s) {
					t.Errorf("%s: %q", path, s)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || texts < 10 {
		t.Errorf("found %d texts, %v", texts, err)
	}
}

// publicTexts are the literals that a node hands to a client: those of a call of
// Refuse, and the fields Public and Code of an Error.
func publicTexts(n ast.Node) (found []string) {
	var exprs []ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr:
		if name := calledName(n.Fun); (name == "Refuse" || name == "invalid") && len(n.Args) > 0 {
			exprs = n.Args
		}
	case *ast.KeyValueExpr:
		if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Public" {
			exprs = []ast.Expr{n.Value}
		}
	}
	for _, e := range exprs {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				found = append(found, s)
			}
		}
	}
	return found
}

func calledName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
