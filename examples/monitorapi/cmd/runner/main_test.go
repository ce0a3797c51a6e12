package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKeyComesFromTheEnvironment(t *testing.T) {
	t.Setenv("WATCHGATE_API_KEY", "a key")
	if key, save, err := keyOf(""); key != "a key" || save != nil || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	t.Setenv("WATCHGATE_API_KEY", "")
	if _, _, err := keyOf(""); err == nil {
		t.Error("without a key it starts")
	}
}

func TestKeyFileGetsTheSuccessor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if _, _, err := keyOf(file); err == nil {
		t.Error("without its file it starts")
	}
	if err := os.WriteFile(file, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key, save, err := keyOf(file)
	if key != "first" || err != nil {
		t.Fatalf("%q, %v", key, err)
	}
	if err := save("second"); err != nil {
		t.Fatal(err)
	}
	if key, _, err := keyOf(file); key != "second" || err != nil {
		t.Errorf("%q, %v", key, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if names, err := filepath.Glob(file + "*"); len(names) != 1 || err != nil {
		t.Errorf("left behind: %v, %v", names, err)
	}
}
