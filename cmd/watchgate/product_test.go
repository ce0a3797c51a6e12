package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/examples/profiles"
)

// mistaken is a catalogue file with a mistake in each of its parts.
const mistaken = `keys:
  profiles:
    live: {prefix: up_live_, scopes: ["monitor:fly", "monitor read"], max_lifetime: soon, default_lifetime: 1y}
roles:
  owner: ["monitor:reed"]
resources:
  monitor:
    description: Monitors
    actions:
      read: {scope: "monitor read", description: "See your monitors"}
      write: {scope: "monitor:write", description: "Change your monitors", implies: [updat]}
`

func writeCatalogue(t *testing.T, body string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "product.yaml")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCatalogueFileTellsEveryMistakeAtOnce, by line, to whoever reads it.
func TestCatalogueFileTellsEveryMistakeAtOnce(t *testing.T) {
	file := writeCatalogue(t, mistaken)
	var list strings.Builder
	for _, line := range []string{
		`3: keys.profiles.live.scopes: there is no scope "monitor:fly"`,
		`3: keys.profiles.live.max_lifetime: "soon": a length of time is a number with a unit, as 30d, 6mo, 1y or 720h, at most 100y`,
		`5: roles.owner: there is no scope "monitor:reed"`,
		`10: resources.monitor.actions.read.scope: the scope "monitor read" has characters that RFC 6749 section 3.3 does not allow, or more than 100`,
		`11: resources.monitor.actions.write.implies: there is no action of this resource and no scope "updat"`,
	} {
		list.WriteString("\n  - PLACE" + file + ":" + line)
	}
	config := write(t, good+"catalogue_file: "+file+"\n")
	for name, c := range map[string]struct {
		args        []string
		what, place string
	}{
		"config check of the file":          {[]string{"config", "check", file}, "catalogue file", ""},
		"config check of the configuration": {[]string{"config", "check", config}, "configuration", "catalogue_file: "},
		"dev":                               {[]string{"dev", "--product", file, "--data-dir", t.TempDir()}, "catalogue file", ""},
	} {
		want := "watchgate: 5 problem(s) in the " + c.what + ":" + strings.ReplaceAll(list.String(), "PLACE", c.place) + "\n"
		if o := call(t, nil, c.args...); o.code != 1 || o.err != want {
			t.Errorf("%s: status %d, got:\n%s\nwant:\n%s", name, o.code, o.err, want)
		}
	}
}

func TestConfigCheckKnowsACatalogueFile(t *testing.T) {
	for _, name := range profiles.Names() {
		body, err := profiles.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		read, err := readProduct(name, body)
		if err != nil {
			t.Fatal(err)
		}
		want := strconv.Itoa(len(read.catalogue.Scopes())) + " scopes"
		if o := call(t, nil, "config", "check", writeCatalogue(t, string(body))); o.code != 0 || !strings.Contains(o.out, "is good") || !strings.Contains(o.out, want) {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if o := call(t, nil, "config", "check", writeCatalogue(t, "keys: {profiles: {a: {prefix: a_}}}\n")); !strings.Contains(o.err, "roles is missing") {
		t.Errorf("keys alone: %+v", o)
	}
	if o := call(t, nil, "config", "check", write(t, good+"roles: {owner: [a]}\n")); !strings.Contains(o.err, "roles: no such key") {
		t.Errorf("a configuration with a key of the catalogue: %+v", o)
	}
}
