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

// refusedAs is a refusal of a key, from somewhere and for something.
func refusedAs(k *keyed, ip, scope string) verdict {
	return verdict{key: k, question: question{now: today, scope: scope, ip: ip}}
}

// Whoever asks about a key of theirs in any number of ways fills no memory, and the
// number of its uses is right all the same.
func TestAttackKeyUsedInManyWays(t *testing.T) {
	u := newUses(nil)
	const asked = 3 * maxUses
	for n := range asked {
		u.note(refusedAs(aKey(1), fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255), fmt.Sprint("s", n)), wrongAddress)
	}
	if len(u.rare) > maxUses/2+1 {
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
	for n := range 5 * maxUses {
		u.note(refusedAs(aKey(n), "", ""), "revoked")
	}
	if len(u.rare) != maxUses/2+maxUses {
		t.Errorf("%d ways", len(u.rare))
	}
}

// However a tenant uses its keys, those of others are recorded with whence and for
// what.
func TestAttackOneTenantCrowdsOutTheDetailsOfOthers(t *testing.T) {
	u := newUses(nil)
	for n := range 5 * maxUses {
		u.note(refusedAs(aKey(n), "192.0.2.1", "monitor:read"), "revoked")
	}
	other := aKey(1)
	other.tenant, other.id = "ten_2", "key_of_another"
	for n := range maxUses / 8 {
		u.note(refusedAs(other, "192.0.2.1", fmt.Sprint("s", n)), "")
	}
	ways := 0
	for w := range u.take() {
		if w.tenant == "ten_2" && w.ip == "192.0.2.1" && w.scope != "" {
			ways++
		}
	}
	if ways != maxUses/8 {
		t.Errorf("%d ways of another tenant, want %d", ways, maxUses/8)
	}
	u.note(refusedAs(aKey(0), "192.0.2.1", "monitor:read"), "revoked")
	if !u.detailed.enter("ten_1") || len(u.refusedAt) != 1 {
		t.Error("no room after a flush")
	}
}

// Refusals of one key tell a few addresses, and good uses tell all.
func TestAttackRefusedFromManyAddresses(t *testing.T) {
	u := newUses(nil)
	const asked = 2148
	ways := func(why string) (told int, calls int64) {
		for range 2 {
			for n := range asked / 2 {
				u.note(refusedAs(aKey(1), fmt.Sprintf("2001:db8:0:%x::1", n), ""), why)
			}
		}
		for w, n := range u.take() {
			if w.ip != "" {
				told++
			}
			calls += n.calls
		}
		return told, calls
	}
	for range 2 {
		if told, calls := ways("revoked"); told != maxRefusedAt || calls != asked {
			t.Errorf("refused: %d addresses, %d calls", told, calls)
		}
	}
	if told, calls := ways(""); told != asked/2 || calls != asked {
		t.Errorf("good: %d addresses, %d calls", told, calls)
	}
}

// An address of IPv6 is any of 2^64 to whoever has it.
func TestAttackAddressesOfOneNetwork(t *testing.T) {
	u, k := newUses(nil), aKey(1)
	for n := range 1000 {
		q := question{now: today, ip: fmt.Sprintf("2001:DB8:1:2:%x::1", n+1)}
		u.note(verdict{key: k, question: q}, "revoked")
		u.count(k, "", q)
	}
	want := map[string]int64{"": 1000, "revoked": 1000}
	for w, n := range u.take() {
		if w.ip != "2001:db8:1:2::/64" || n.calls != want[w.why] {
			t.Errorf("%+v: %d calls", w, n.calls)
		}
		delete(want, w.why)
	}
	if len(want) != 0 {
		t.Errorf("not there: %v", want)
	}
	for told, want := range map[string]string{"::ffff:192.0.2.1": "192.0.2.1", "192.0.2.1": "192.0.2.1", "fe80::1%eth0": "fe80::/64", "x": "", "": ""} {
		if got := whence(told); got != want {
			t.Errorf("%s: %s", told, got)
		}
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
	if k.tally.find(q) == nil {
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
