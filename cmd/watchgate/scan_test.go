package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

func TestScanFindsWhatOthersMustNotSee(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	key, access := token.NewKey("up_live_", storage.NewKeyID(now)), token.New(token.Access, now)
	for name, body := range map[string]string{
		"ci.yaml": "env:\n  KEY: " + key + "\n", "clean.txt": "up_live_nothing\n", "sub/app.log": access + "\n", "blob": "\x00" + key,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := call(t, nil, "scan", dir)
	if o.code != 1 || !strings.Contains(o.out, "ci.yaml:2:8: API key up_live_") || !strings.Contains(o.out, "app.log:1:1: access token") || strings.Count(o.out, "\n") != 2 {
		t.Errorf("%+v", o)
	}
	if !strings.Contains(o.err, "2 keys and tokens found") || !strings.Contains(o.err, "1 binary file") {
		t.Errorf("%q", o.err)
	}
	for _, secret := range []string{key[len(key)-49:], access} {
		if strings.Contains(o.out+o.err, secret) {
			t.Error("a secret is printed")
		}
	}
	if o := call(t, nil, "scan", filepath.Join(dir, "clean.txt")); o.code != 0 || o.out != "" {
		t.Errorf("nothing to find: %+v", o)
	}
	var one map[string]any
	if o := call(t, nil, "scan", "--json", filepath.Join(dir, "ci.yaml")); o.code != 1 || json.Unmarshal([]byte(o.out), &one) != nil || one["line"] != 2.0 || one["kind"] != "API key" {
		t.Errorf("%+v", o)
	}
	if o := call(t, nil, "scan", filepath.Join(dir, "absent"), filepath.Join(dir, "ci.yaml")); o.code != 1 || !strings.Contains(o.err, "absent") || !strings.Contains(o.out, "ci.yaml") {
		t.Errorf("a file that is not there hides the others: %+v", o)
	}
}

func TestScanReadsStandardInput(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stdin
	os.Stdin = in
	defer func() { os.Stdin = was }()
	_, _ = out.WriteString("x\n  " + token.NewKey("up_live_", storage.NewKeyID(time.Time{})) + "\n")
	out.Close()
	if o := call(t, nil, "scan", "-"); o.code != 1 || !strings.HasPrefix(o.out, "-:2:3: API key") {
		t.Errorf("%+v", o)
	}
}

// A server's words and a file's name redraw nothing.
func TestTerminalEscapesInWhatAServerSays(t *testing.T) {
	if got := lines("one\x1b[2J\n  - two\u202e"); got != "one\\u001b[2J\n  - two\\u202e" {
		t.Errorf("%q", got)
	}
}
