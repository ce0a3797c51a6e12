package archtest

import (
	"fmt"
	"go/token"
	"slices"
)

// siblings are the rooms that meet in stored records and in small interfaces wired
// in cmd, and never in each other's code.
var siblings = []string{"authz", "idp", "introspect", "apikey", "console"}

// wholeServer are the rooms that run the product from outside or assemble it: they
// may import whatever they like.
var wholeServer = []string{"cmd", "internal/e2e", "internal/bench"}

// kits are for tests and benchmarks only.
var kits = []string{
	"internal/archtest", "internal/bench", "internal/browsertest", "internal/e2e", "internal/handclock",
	"internal/npmtest", "internal/pgtest", "internal/process", "internal/redistest", "storage/storagetest",
}

// level orders the rooms: an import goes down or stays.
type level int

const (
	levelBottom level = iota
	levelEngine
	levelMiddle
	levelSibling
	levelTop
)

func levelOf(room string) level {
	switch {
	case room == "storage":
		return levelBottom
	case within(room, "storage", "migrations"):
		return levelEngine
	case within(room, wholeServer...), within(room, "examples"), room == ".":
		return levelTop
	case within(room, siblings...):
		return levelSibling
	default:
		return levelMiddle
	}
}

const whyDirection = "imports go cmd -> {authz, idp, introspect, apikey, console} -> {audit, internal/*, templates} -> storage; " +
	"a room that needs something from above declares a small interface, and cmd wires it"

// checkDirection forbids imports that go up, and product code that is tied to a
// database engine.
func checkDirection(f *file, note report) {
	if f.test || within(f.room, wholeServer...) || within(f.room, kits...) {
		return
	}
	f.imports(func(imported string, at token.Pos) {
		room, ok := ours(imported)
		if !ok {
			return
		}
		from, to := levelOf(f.room), levelOf(room)
		switch {
		case to > from:
			note(f.place(at), fmt.Sprintf("%s imports %s", f.room, room), whyDirection)
		case to == levelEngine && from > levelEngine:
			note(f.place(at), fmt.Sprintf("%s imports %s", f.room, room),
				"rooms speak to the interfaces of package storage, so that both engines serve them alike; only cmd chooses an engine")
		case within(f.room, "examples") && !within(room, "examples", "introspect/guard", "templates", "internal"):
			note(f.place(at), fmt.Sprintf("%s imports %s", f.room, room),
				"an example is a client: it reaches the server over HTTP, as its readers will, and may borrow only what they can import or what draws its pages")
		}
	})
}

// checkSiblings holds for tests too: a test that needs two siblings is a test of
// the whole server.
func checkSiblings(f *file, note report) {
	from := siblingOf(f.room)
	if from == "" {
		return
	}
	f.imports(func(imported string, at token.Pos) {
		room, _ := ours(imported)
		if to := siblingOf(room); to != "" && to != from {
			note(f.place(at), fmt.Sprintf("%s imports %s", f.room, room),
				"siblings meet in stored records and through interfaces of one to three methods that the user declares and cmd wires; "+
					"a test of two of them belongs into internal/e2e")
		}
	})
}

func siblingOf(room string) string {
	i := slices.IndexFunc(siblings, func(sibling string) bool { return within(room, sibling) })
	if i < 0 {
		return ""
	}
	return siblings[i]
}

// checkKits keeps test servers, browsers and their dependencies out of the binary.
func checkKits(f *file, note report) {
	if f.test || within(f.room, kits...) {
		return
	}
	f.imports(func(imported string, at token.Pos) {
		if room, ok := ours(imported); ok && within(room, kits...) {
			note(f.place(at), fmt.Sprintf("%s imports %s", f.room, room), "a test kit in product code would be shipped, and can start processes")
		}
	})
}
