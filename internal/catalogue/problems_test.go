package catalogue_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/catalogue"
)

// problemsOf are the problems of a file, as "LINE: text".
func problemsOf(t *testing.T, body string) []string {
	t.Helper()
	_, err := catalogue.Parse("product.yaml", []byte(body))
	var all catalogue.Problems
	if err != nil && !errors.As(err, &all) {
		t.Fatalf("%T: %v", err, err)
	}
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = fmt.Sprintf("%d: %s", p.Line, p.Text)
	}
	return out
}

func TestEveryProblemIsReportedAtOnceWithItsLine(t *testing.T) {
	equal(t, "problems", problemsOf(t, `resources:
  Monitor:
    actions:
      read: {scope: "monitor read", description: " padded", colour: red}
      write: {description: "Change monitors", sensitive: "yes"}
      run: {scope: 7, description: "Run"}
    actions: {}
  empty:
    description: Nothing
    actions: {}
  bare:
    description: No actions
scopes:
  openid: {description: "Be somebody"}
  "*": {description: "Everything"}
  "a:b": {description: "One", implies: ["a:c", "a:*", "a:b"]}
  "a:d": {description: ""}
  "a:d": {description: "Two"}
roles:
  owner: ["*", "a:b"]
  boss: ["a:b"]
  viewer: ["a:z", "email", "a:b", "a:b"]
  member: "a:b"
errors: {forbidden: "No Entry", unauthorized: x}
colour: red
`), []string{
		`2: resources.Monitor: "Monitor" is no name of a resource: use lower-case letters and digits, joined by - or _, at most 50`,
		`2: resources.Monitor: description is missing: people read it when they consent and when they make keys`,
		`4: resources.Monitor.actions.read.colour: no such key; there are scope, description, sensitive, implies`,
		`4: resources.Monitor.actions.read.description: a sentence belongs here, without spaces around it`,
		`4: resources.Monitor.actions.read.scope: the scope "monitor read" has characters that RFC 6749 section 3.3 does not allow, or more than 100`,
		`5: resources.Monitor.actions.write: scope is missing`,
		`6: resources.Monitor.actions.run.scope: a text belongs here, not "7"`,
		`7: resources.Monitor.actions: is there twice: first in line 3`,
		`10: resources.empty.actions: name at least one action`,
		`11: resources.bare: actions are missing: name what can be done to it`,
		`14: scopes.openid: "openid" is a scope of OpenID Connect, which is there without being declared`,
		`15: scopes.*: "*" stands for every scope in a role, and is none itself`,
		`16: scopes.a:b.implies: there is no scope "a:c"`,
		`16: scopes.a:b.implies: there is no scope "a:*"; there are no patterns, each scope is named`,
		`16: scopes.a:b: the scopes imply each other in a circle: a:b, a:b`,
		`17: scopes.a:d.description: a sentence belongs here, without spaces around it`,
		`18: scopes.a:d: is there twice: first in line 17`,
		`20: roles.owner: "*" is every scope: the others beside it say nothing`,
		`21: roles.boss: no such role; there are owner, admin, member, viewer`,
		`22: roles.viewer: "a:b" is there twice`,
		`22: roles.viewer: there is no scope "a:z"`,
		`22: roles.viewer: "email" is a scope of OpenID Connect, which is in no catalogue`,
		`23: roles.member: a list in [ ] belongs here, not "a:b"`,
		`24: errors.unauthorized: no such key; there are unauthenticated, forbidden`,
		`24: errors.forbidden: "No Entry" is no error code: use lower-case letters, digits and _, at most 64`,
		`25: colour: no such key; there are resources, scopes, roles, errors, keys`,
	})
}

func TestFileThatIsNoProductFile(t *testing.T) {
	const roles = "roles: {owner: [\"*\"]}\n"
	for _, c := range []struct{ name, body, want string }{
		{"empty", "", "the file is empty"},
		{"a comment", "# nothing\n", "the file is empty"},
		{"nothing", "null\n", `keys belong here, not nothing`},
		{"a list", "[a]\n", "keys belong here, not a list"},
		{"no YAML", roles + "scopes: {\n", "this is no YAML"},
		{"a tab", roles + "scopes:\n\ta: b\n", "this is no YAML"},
		{"two documents", roles + "---\n" + roles, "2: a second document starts here: the file is one"},
		{"an alias", "roles: {owner: &all [\"*\"], admin: *all}\n", "not an alias (*name): write it out"},
		{"no roles", "scopes: {a: {description: A}}\n", "roles is missing: nobody could do anything"},
		{"not UTF-8", "roles: \xff\n", "the file is not UTF-8"},
		{"too large", strings.Repeat("# comment\n", 200_000), "the file is larger than 1 MiB"},
		{"a scope twice", roles + "resources: {a: {description: A, actions: {x: {scope: s, description: X}, y: {scope: s, description: Y}}}}\n",
			`the scope "s" is declared in line 2 already`},
		{"a scope and an action of one name", roles + "scopes: {x: {description: X}}\nresources: {a: {description: A, actions: {x: {scope: s, description: X}, y: {scope: t, description: Y, implies: [x]}}}}\n",
			`"x" is an action of this resource and a scope, too`},
		{"another resource's action", roles + "resources: {a: {description: A, actions: {x: {scope: s, description: X}}}, b: {description: B, actions: {y: {scope: t, description: Y, implies: [x]}}}}\n",
			`there is no action of this resource and no scope "x"`},
		{"a circle", roles + "scopes:\n  a: {description: A, implies: [b]}\n  b: {description: B, implies: [c]}\n  c: {description: C, implies: [a]}\n",
			"3: scopes.a: the scopes imply each other in a circle: a, b, c, a"},
		{"a long sentence", roles + "scopes: {a: {description: " + strings.Repeat("a", 201) + "}}\n", "the sentence has more than 200 characters"},
		{"two lines", roles + "scopes: {a: {description: \"a\\nb\"}}\n", "the sentence has characters that do not print"},
		{"text that turns around", roles + "scopes: {a: {description: \"a\u202eb\"}}\n", "the sentence has characters that do not print"},
		{"a long scope", roles + "scopes: {" + strings.Repeat("s", 101) + ": {description: A}}\n", "or more than 100"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(problemsOf(t, c.body), "\n"); !strings.Contains(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestNumberOfScopesIsLimited(t *testing.T) {
	var b strings.Builder
	b.WriteString("roles: {owner: [\"*\"]}\nscopes:\n")
	for i := range 600 {
		fmt.Fprintf(&b, "  s%d: {description: One of many}\n", i)
	}
	equal(t, "problems", problemsOf(t, b.String()), []string{"503: scopes.s500: there are more than 500 scopes"})
}

// TestProblemIsToldOnce: what names a scope that could not be read is not a problem of
// its own, and what names none is one all the same.
func TestProblemIsToldOnce(t *testing.T) {
	equal(t, "problems", problemsOf(t, `ressources:
  site:
    description: Sites
    actions:
      read: {scope: "site:read", description: "See your sites"}
resources:
  monitor:
    description: Monitors
    actions:
      read: {scope: "monitor read", description: "See your monitors"}
      write: {description: "Change your monitors"}
      all: {scope: "monitor:all", description: "Do everything", implies: [read, write, updat]}
  alert:
    description: Alerts
  check: "Checks"
scopes:
  "a:b": {description: ""}
  "a:b": {description: "Twice"}
  "a:c": See
roles:
  owner: ["site:read", "monitor read", "monitor:write", "monitor:all", "alert:read", "check:run", "a:b", "a:c", "a:d"]
`), []string{
		`1: ressources: no such key; there are resources, scopes, roles, errors, keys`,
		`10: resources.monitor.actions.read.scope: the scope "monitor read" has characters that RFC 6749 section 3.3 does not allow, or more than 100`,
		`11: resources.monitor.actions.write: scope is missing`,
		`12: resources.monitor.actions.all.implies: there is no action of this resource and no scope "updat"`,
		`13: resources.alert: actions are missing: name what can be done to it`,
		`15: resources.check: keys belong here, not "Checks"`,
		`17: scopes.a:b.description: a sentence belongs here, without spaces around it`,
		`18: scopes.a:b: is there twice: first in line 17`,
		`19: scopes.a:c: keys belong here, not "See"`,
		`21: roles.owner: there is no scope "a:d"`,
	})
}

// TestFileWithProblemsKnowsWhatItMayMean, so that the keys in it can be read.
func TestFileWithProblemsKnowsWhatItMayMean(t *testing.T) {
	f, err := catalogue.Parse("product.yaml", []byte("scopes: {a: {description: A}, \"b b\": {description: B}}\nroles: {owner: [\"*\"]}\nkeys: {profiles: {}}\n"))
	if err == nil || f.Keys == nil || !f.Catalogue.Known("a") || !f.Catalogue.Known("b b") || f.Catalogue.Known("c") {
		t.Errorf("%v, %+v", err, f)
	}
	if f, err := catalogue.Parse("product.yaml", nil); err == nil || f == nil || f.Keys != nil {
		t.Errorf("nothing to read: %v, %+v", err, f)
	}
}
