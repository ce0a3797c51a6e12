package introspect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/storage"
)

func aKey(n int) *keyed {
	return &keyed{id: storage.KeyID(fmt.Sprintf("key_%d", n)), tenant: "ten_1"}
}

// Whoever asks about a key of theirs in any number of ways fills no memory, and the
// number of its uses is right all the same.
func TestAttackKeyUsedInManyWays(t *testing.T) {
	u := newUses(nil)
	const asked = 3 * maxUses
	for n := range asked {
		v := verdict{key: aKey(1), question: question{now: today, scope: fmt.Sprint("s", n), ip: fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)}}
		u.note(v, wrongAddress)
	}
	if len(u.rare) > maxUses+1 {
		t.Errorf("%d ways", len(u.rare))
	}
	calls := int64(0)
	for w, n := range u.take() {
		if w.key != "key_1" || w.why != wrongAddress {
			t.Fatal(w)
		}
		calls += n.calls
	}
	if calls != asked {
		t.Errorf("%d calls, want %d", calls, asked)
	}
}

func TestAttackManyKeysUsed(t *testing.T) {
	u := newUses(nil)
	for n := range 3 * maxUses {
		u.note(verdict{key: aKey(n), question: question{now: today}}, "revoked")
	}
	if len(u.rare) != 2*maxUses {
		t.Errorf("%d ways", len(u.rare))
	}
}

// An answer has a few addresses, of which one that is no longer used makes room.
func TestAddressesOfAnAnswerAreFew(t *testing.T) {
	u, k := newUses(nil), aKey(1)
	q := question{now: today}
	for n := range 100 {
		q.ip = fmt.Sprintf("192.0.2.%d", n)
		u.count(k, "demo-api", q)
	}
	if len(u.counted) != maxSpots || len(u.rare) != 100-maxSpots {
		t.Errorf("%d with the answer, %d beside it", len(u.counted), len(u.rare))
	}
	q.now = today.Add(spotIdle + 1e6)
	u.count(k, "demo-api", q)
	if k.tally.find(q.ip) == nil {
		t.Error("no room after a pause")
	}
	if n := len(u.take()); n != 100 {
		t.Errorf("%d ways, want 100", n)
	}
}

// A need that is as long as a book is not kept.
func TestLongNeedIsNotKept(t *testing.T) {
	w := useOf(aKey(1), "demo-api", question{now: today, scope: strings.Repeat("x", maxSpelling+1), ip: strings.Repeat("1", 1000)})
	if w.scope != "" || w.ip != "" {
		t.Errorf("%d, %d bytes", len(w.scope), len(w.ip))
	}
}

// With all that a credential can hang on and a key, there is no room: it is not
// remembered, and never without one of them.
func TestWhatHangsOnTooMuchIsNotRemembered(t *testing.T) {
	s := New(Config{})
	found := codeFlow(1)
	found.Life.Key = "key_1"
	if _, ok := s.memory.on(s.ofToken(found)); ok {
		t.Error("nine things fit into eight")
	}
	found.Session = ""
	on, ok := s.memory.on(s.ofToken(found))
	cell, there := s.memory.node.Cell(storage.ChangeKey, tenantID, "key_1"), false
	for _, c := range on {
		there = there || c == cell
	}
	if !ok || !there {
		t.Errorf("%v: does not hang on its key", ok)
	}
}

// A person of whom no role is known is no machine.
func TestAttackPersonWithoutARole(t *testing.T) {
	f, err := catalogue.Parse("test.yaml", []byte("resources:\n  monitor:\n    description: Monitors\n    actions:\n      read: {scope: \"monitor:read\", description: \"See\"}\nroles:\n  owner: [\"*\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := New(Config{Catalogue: f.Catalogue})
	if got := s.effective(&credential{owned: true, scopes: []string{"monitor:read"}}); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := s.effective(&credential{scopes: []string{"monitor:read"}}); len(got) != 1 {
		t.Errorf("a machine: %v", got)
	}
}
