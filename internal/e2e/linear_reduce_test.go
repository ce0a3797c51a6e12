package e2e

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
)

// check holds a history against a model. What it asks the checker is a smaller
// question with the same answer; the three reasons stand with [inner], [first] and
// [inTurn]. They hold for every model in which answers change nothing, a kill once
// done cannot be done again, and no step but an answer or the issue is refused.
func check(m porcupine.Model, ops []porcupine.Operation) porcupine.CheckResult {
	if contradicted(ops) {
		return porcupine.Illegal
	}
	var rest []porcupine.Operation
	alike := map[any][]porcupine.Operation{}
	for _, o := range ops {
		switch o.Input {
		case answered:
			alike[o.Output] = append(alike[o.Output], o)
		case killing, killed:
			alike[o.Input] = append(alike[o.Input], o)
		default:
			rest = append(rest, o)
		}
	}
	for what, some := range alike {
		if _, answers := what.(bool); answers {
			rest = append(rest, inner(some)...)
		} else {
			rest = append(rest, first(some)...)
		}
	}
	return porcupine.CheckOperationsTimeout(inTurn(m), numbered(rest), patience)
}

// contradicted reports whether an answer is wrong by itself: active, after a kill
// has returned; or inactive, when the token was handed out and nothing that ends
// anything was called yet. No order makes that right, and to go through all of them
// may take long.
func contradicted(ops []porcupine.Operation) bool {
	ended, begun, out := int64(never), int64(never), int64(never)
	for _, o := range ops {
		switch o.Input {
		case killed:
			ended, begun = min(ended, o.Return), min(begun, o.Call)
		case killing, disabling, disabled:
			begun = min(begun, o.Call)
		case issued:
			out = min(out, o.Return)
		}
	}
	return slices.ContainsFunc(ops, func(o porcupine.Operation) bool {
		if o.Input != answered {
			return false
		}
		return o.Output == true && ended < o.Call || o.Output == false && out < o.Call && o.Return < begun
	})
}

// inner leaves out the answers that enclose another that is the same. Where the
// inner one has its place in an order, the outer may stand beside it: that is within
// its own time, and in the same state, because answers change nothing. And an order
// with the outer one is one without it, too.
func inner(answers []porcupine.Operation) []porcupine.Operation {
	slices.SortFunc(answers, func(a, b porcupine.Operation) int {
		return cmp.Or(cmp.Compare(b.Call, a.Call), cmp.Compare(a.Return, b.Return))
	})
	return earliest(answers)
}

// first leaves out a step of a kill if the same step of another kill was called no
// later and returned no later. The state only rises by such steps, so that of the
// two only the one that stands first has done something. If that is the one left
// out, the other may take its place: it was called by then, and had to come later
// than that, but before its return. And to an order without the one left out it may
// be added behind the other, or when it is called if that is later: it does nothing
// there, and has not returned.
func first(steps []porcupine.Operation) []porcupine.Operation {
	slices.SortFunc(steps, func(a, b porcupine.Operation) int {
		return cmp.Or(cmp.Compare(a.Call, b.Call), cmp.Compare(a.Return, b.Return))
	})
	return earliest(steps)
}

// earliest are those that returned before all that stand before them.
func earliest(ops []porcupine.Operation) []porcupine.Operation {
	var out []porcupine.Operation
	for _, o := range ops {
		if len(out) == 0 || o.Return < out[len(out)-1].Return {
			out = append(out, o)
		}
	}
	return out
}

// turn is the input of an operation that never returned: how many of its kind were
// called before.
type turn struct {
	deed
	before int
}

// numbered gives those that never returned their turns.
func numbered(ops []porcupine.Operation) []porcupine.Operation {
	slices.SortStableFunc(ops, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var called [enabled + 1]int
	for i, o := range ops {
		if d := o.Input.(deed); o.Return == never {
			ops[i].Input = turn{d, called[d]}
			called[d]++
		}
	}
	return ops
}

// turns is a state, and how many operations of each kind that never returned it has
// seen.
type turns struct {
	state any
	seen  [enabled + 1]int
}

// inTurn is a model in which operations of one kind that never returned happen in
// the order of their calls. If two of them stand in an order the other way round,
// they may change places: they do the same, the one called first may stand wherever
// the other stands, and nothing says by when they had to happen.
func inTurn(m porcupine.Model) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return turns{state: m.Init()} },
		Step: func(state, input, output any) (bool, any) {
			s := state.(turns)
			if u, unreturned := input.(turn); unreturned {
				if s.seen[u.deed] != u.before {
					return false, state
				}
				s.seen[u.deed]++
				input = u.deed
			}
			var ok bool
			ok, s.state = m.Step(s.state, input, output)
			return ok, s
		},
	}
}

// The smaller question has the answer of the whole one: of histories at random, which
// are too small to be hard, and which keep the promise or break it.
func TestReducedHistoriesAreJudgedAsTheWholeOnes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for name, m := range map[string]porcupine.Model{"promise": promise, "atomic kill": atomicKill} {
		seen := map[porcupine.CheckResult]int{}
		for range 4000 {
			ops := anyHistory(random)
			want := porcupine.CheckOperationsTimeout(m, ops, patience)
			if got := check(m, ops); got != want {
				t.Fatalf("%s: %s, and %s when reduced: %+v", name, want, got, ops)
			}
			seen[want]++
		}
		if seen[porcupine.Ok] < 400 || seen[porcupine.Illegal] < 400 {
			t.Errorf("%s: these histories try little: %v", name, seen)
		}
	}
}

// anyHistory is of a few operations, of which many overlap and some never return.
func anyHistory(random *rand.Rand) []porcupine.Operation {
	ops := []porcupine.Operation{op(issued, 0, int64(random.IntN(4)))}
	for range 2 + random.IntN(9) {
		call := int64(random.IntN(20))
		ret := call + int64(random.IntN(8))
		switch d := deed(random.IntN(int(enabled + 6))); {
		case d == issued || d > enabled:
			ops = append(ops, said(random.IntN(2) == 0, call, ret))
		case d == answered:
			ops = append(ops, said(true, call, ret))
		default:
			if random.IntN(3) == 0 {
				ret = never
			}
			ops = append(ops, op(d, call, ret))
		}
	}
	return ops
}

// A history as entangled as that of a busy machine, in which many kills are of
// unknown outcome, is judged; and one stale answer in it is found, although it takes
// all orders to see that there is none.
func TestStaleAnswerIsFoundInAnEntangledHistory(t *testing.T) {
	const quiet, end = 3000, 10_000
	ops := append([]porcupine.Operation{op(enabled, 2000, 2010), op(issued, 2015, 2018)}, both(disabling, 1000, 1010)...)
	for n := range int64(30) {
		ops = append(ops, both(killing, 5000+n, never)...)
	}
	for n := range int64(4) {
		ops = append(ops, both(disabling, 4000+n*100, never)...)
		ops = append(ops, op(enabled, 4050+n*100, never))
	}
	for at := int64(2020); at < end; at += 5 {
		active := at < 6000
		ops = append(ops, said(active, at, at+60), said(active, at, at+20+at%37))
	}
	for at := int64(4100); at < 5000; at += 100 {
		ops = append(ops, said(false, at, at+50))
	}
	if got := check(promise, ops); got != porcupine.Ok {
		t.Fatalf("without a stale answer: %s", got)
	}
	for name, stale := range map[string]porcupine.Operation{
		"active before it was issued": said(true, 1500, 1501), "inactive when enabled again": said(false, quiet, quiet+1), "inactive before all": said(false, 2020, 2099),
	} {
		if got := check(promise, append(slices.Clone(ops), stale)); got != porcupine.Illegal {
			t.Errorf("%s: %s", name, got)
		}
	}
	dead := append(slices.Clone(ops), both(killing, 6500, 6600)...)
	if got := check(promise, append(dead, said(true, 6601, 6602))); got != porcupine.Illegal {
		t.Errorf("active after the kill: %s", got)
	}
}
