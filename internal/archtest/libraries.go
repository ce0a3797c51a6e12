package archtest

import (
	"fmt"
	"go/token"
	"strings"
)

// standardOnly are the rooms that import nothing but the standard library.
var standardOnly = map[string]string{
	"storage": "every room imports package storage: what it imports, everybody has; records and interfaces need no library",
	"introspect/guard": "operators of resource servers put this package into their own programs: " +
		"a dependency of ours would become theirs",
}

// checkStandardOnly looks at product code; the tests of these rooms may compare with
// what they like.
func checkStandardOnly(f *file, note report) {
	why, bound := standardOnly[f.room]
	if !bound || f.test {
		return
	}
	f.imports(func(imported string, at token.Pos) {
		if !standard(imported) {
			note(f.place(at), fmt.Sprintf("%s imports %s", f.room, imported), why)
		}
	})
}

// library is a dependency that only some rooms may use.
type library struct {
	prefixes []string
	rooms    []string
	// tests are further rooms whose tests may use it; "" stands for all.
	tests []string
	why   string
}

var libraries = []library{
	{
		prefixes: []string{"github.com/ory/fosite"},
		rooms:    []string{"authz"},
		why:      "fosite is frozen and has known defects: one importer closes them once and makes it replaceable",
	},
	{
		prefixes: []string{"github.com/ory"},
		rooms:    []string{"authz"},
		why:      "what fosite drags in is not a library that we chose",
	},
	{
		prefixes: []string{"github.com/coreos/go-oidc", "golang.org/x/oauth2"},
		// The examples, the command line and the tests of the whole server are clients of
		// Watchgate.
		rooms: []string{"idp/oidcconn", "examples", "internal/remote", "internal/e2e", "internal/bench"},
		tests: []string{"internal/npmtest", "idp", "authz"},
		why:   "sign-in through OpenID providers is one room's work: the checks that the library leaves to its user are made there, and nowhere twice",
	},
	{
		prefixes: []string{"github.com/crewjam/saml", "github.com/russellhaering/goxmldsig"},
		rooms:    []string{"idp/samlconn"},
		why:      "XML signatures are where SAML breaks: one room parses them",
	},
	{
		prefixes: []string{"github.com/jackc/pgx", "modernc.org/sqlite", "github.com/pressly/goose"},
		rooms:    []string{"storage/sqlstore", "migrations", "internal/pgtest", "internal/bench", "internal/e2e"},
		tests:    []string{""},
		why:      "SQL has one home: tenant isolation, single use and revocation are proven there, for both engines, by the conformance suite",
	},
	{
		prefixes: []string{"database/sql"},
		// internal/web tells the errors of a lost connection from others by value.
		rooms: []string{"storage/sqlstore", "migrations", "internal/bench", "internal/e2e", "internal/web"},
		tests: []string{""},
		why:   "a query outside storage is seen by no isolation test and by one engine only",
	},
	{
		prefixes: []string{"github.com/go-jose/go-jose/v3"},
		why:      "version 3 is fosite's own and stays inside it; ours is github.com/go-jose/go-jose/v4",
	},
	{
		prefixes: []string{"github.com/go-jose/go-jose/v4"},
		rooms:    []string{"internal/signer", "authz", "idp/devidp", "idp/oidcconn", "introspect", "examples", "internal/e2e", "internal/bench"},
		tests:    []string{""},
		why:      "keys and signatures belong to internal/signer, which knows when a key may be used; others ask it",
	},
	{
		prefixes: []string{"github.com/gorilla/sessions", "github.com/gorilla/securecookie"},
		rooms:    []string{"idp"},
		why:      "a cookie is idp's business: its flags and its lifetime are decided in one place",
	},
	{
		prefixes: []string{"github.com/redis/go-redis", "github.com/throttled/throttled/v2/store"},
		// cmd closes the client that internal/limit makes.
		rooms: []string{"internal/limit", "cmd"},
		tests: []string{""},
		why:   "whoever asks Redis must not wait for it, and has to go on without it: internal/limit does both, once",
	},
	{
		prefixes: []string{"github.com/throttled/throttled"},
		rooms:    []string{"internal/limit", "introspect"},
		tests:    []string{""},
		why:      "a limit fails into a local one, and never into none: internal/limit sees to that",
	},
	{
		prefixes: []string{"github.com/danielgtaylor/huma"},
		rooms:    []string{"internal/manage", "apikey/keyapi"},
		why:      "its own routes, errors and documents are not used: internal/manage is the frame that no operation of the management API can leave",
	},
	{
		prefixes: []string{"github.com/stretchr/testify"},
		why:      "tests use the standard library and go-cmp: a failed check says what it got and what it wanted in its own words",
	},
}

// checkLibraries forbids the use of a bound library elsewhere. A library's first
// match decides.
func checkLibraries(f *file, note report) {
	f.imports(func(imported string, at token.Pos) {
		for _, l := range libraries {
			if !within(imported, l.prefixes...) {
				continue
			}
			if !l.allows(f) {
				note(f.place(at), fmt.Sprintf("%s imports %s, which only %s may", f.room, imported, l.names()), l.why)
			}
			return
		}
	})
}

func (l library) allows(f *file) bool {
	if within(f.room, l.rooms...) {
		return true
	}
	if !f.test {
		return false
	}
	for _, room := range l.tests {
		if room == "" || within(f.room, room) {
			return true
		}
	}
	return false
}

func (l library) names() string {
	if len(l.rooms) == 0 {
		return "its own dependents"
	}
	return strings.Join(l.rooms, ", ")
}
