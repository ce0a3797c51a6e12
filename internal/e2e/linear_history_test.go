package e2e

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// history is what the callers of several nodes did and saw. Its clock is the one
// of the test's process, which all of them share.
type history struct {
	began  time.Time
	mu     sync.Mutex
	tokens []*issuedToken
	faults []porcupine.Annotation
}

func newHistory() *history { return &history{began: time.Now()} }

// now is the time of the history, in nanoseconds.
func (h *history) now() int64 { return int64(time.Since(h.began)) }

// event is an operation with where it happened.
type event struct {
	porcupine.Operation
	where string
}

// realm is a tenant with its one client: what can be ended for many tokens at
// once.
type realm struct {
	tenant string
	client credentials
	ops    []event // under the history's lock
}

// issuedToken is a token and all that is known of it.
type issuedToken struct {
	value string
	realm *realm
	ops   []event // under the history's lock
}

// note keeps an operation of one token or realm.
func (h *history) note(ops *[]event, e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*ops = append(*ops, e)
}

// issue starts the history of a token that was handed out.
func (h *history) issue(value string, r *realm, where string, call int64) *issuedToken {
	t := &issuedToken{value: value, realm: r}
	t.ops = []event{{porcupine.Operation{Input: issued, Call: call, Return: h.now()}, where}}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = append(h.tokens, t)
	return t
}

// answer is what an introspection said.
func (h *history) answer(t *issuedToken, where string, call int64, active bool) {
	h.note(&t.ops, event{porcupine.Operation{Input: answered, Output: active, Call: call, Return: h.now()}, where})
}

// kill is the two steps of an operation that ends something.
func (h *history) kill(ops *[]event, first deed, where string, call int64, known bool) {
	h.single(ops, first, where, call, known)
	h.single(ops, first+1, where, call, known)
}

// single is an operation in one step. One whose outcome is not known never
// returns.
func (h *history) single(ops *[]event, d deed, where string, call int64, known bool) {
	ret := int64(never)
	if known {
		ret = h.now()
	}
	h.note(ops, event{porcupine.Operation{Input: d, Call: call, Return: ret}, where})
}

// fault notes for the picture what was done to whom.
func (h *history) fault(whom, what string, from int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, porcupine.Annotation{Tag: whom, Start: from, End: h.now(), Description: what})
}

// of is everything that concerns a token, in the order of the calls. What began
// when the last thing about it was over cannot matter.
func (h *history) of(t *issuedToken) []event {
	ops := slices.Clone(t.ops)
	last := slices.MaxFunc(ops, func(a, b event) int { return cmp.Compare(finite(a), finite(b)) })
	for _, e := range t.realm.ops {
		if e.Call <= finite(last) {
			ops = append(ops, e)
		}
	}
	slices.SortStableFunc(ops, func(a, b event) int { return cmp.Compare(a.Call, b.Call) })
	return ops
}

// finite is an operation's return, or its call when it never returned.
func finite(e event) int64 {
	if e.Return == never {
		return e.Call
	}
	return e.Return
}

// operations gives each place a line of its own in the picture.
func operations(ops []event) []porcupine.Operation {
	lines := map[string]int{}
	out := make([]porcupine.Operation, len(ops))
	for i, e := range ops {
		if _, known := lines[e.where]; !known {
			lines[e.where] = len(lines)
		}
		out[i] = e.Operation
		out[i].ClientId, out[i].Metadata = lines[e.where], e.where
	}
	return out
}

// judge holds every token's history against a model and returns those that break
// it. A history that the checker comes to no end with fails the test.
func (h *history) judge(t *testing.T, m porcupine.Model) []*issuedToken {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	var broken []*issuedToken
	for _, token := range h.tokens {
		switch ops := operations(h.of(token)); check(m, ops) {
		case porcupine.Illegal:
			broken = append(broken, token)
		case porcupine.Unknown:
			t.Errorf("the checker came to no end with a history of %d operations", len(ops))
		}
	}
	return broken
}

// explain writes a broken history as a picture and as text, where they outlast
// the test, and returns where, with the operations around the contradiction.
func (h *history) explain(t *testing.T, token *issuedToken) string {
	t.Helper()
	h.mu.Lock()
	ops, faults := h.of(token), slices.Clone(h.faults)
	h.mu.Unlock()
	dir := must[string](t)(os.MkdirTemp("", "watchgate-history-"))
	const within = 10 * time.Second // a picture of what was found by then will do
	_, info := porcupine.CheckOperationsVerbose(promise, operations(ops), within)
	info.AddAnnotations(faults)
	picture := filepath.Join(dir, "history.html")
	noError(t, porcupine.VisualizePath(promise, info, picture))
	var all strings.Builder
	for _, e := range ops {
		fmt.Fprintln(&all, e)
	}
	for _, f := range faults {
		fmt.Fprintf(&all, "%10.3f .. %10.3f ms  %s: %s\n", ms(f.Start), ms(f.End), f.Tag, f.Description)
	}
	noError(t, os.WriteFile(filepath.Join(dir, "history.txt"), []byte(all.String()), 0o600))
	return fmt.Sprintf("tenant %s, %d operations; %s\n%s", token.realm.tenant, len(ops), picture, offending(ops))
}

func (e event) String() string {
	ret := "      never"
	if e.Return != never {
		ret = fmt.Sprintf("%11.3f", ms(e.Return))
	}
	return fmt.Sprintf("%11.3f .. %s ms  %-12s %s", ms(e.Call), ret, e.where, promise.DescribeOperation(e.Input, e.Output))
}

func ms(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }

// offending are the operations that killed or revived, and the answers that
// contradict them by themselves: active after a kill was over, or inactive before
// there was any. There may be none, when it takes more than two to contradict.
func offending(ops []event) string {
	const most = 30
	var out strings.Builder
	n := 0
	for _, e := range ops {
		if e.Input != answered || e.Output == stale(ops, e) {
			if n++; n <= most {
				fmt.Fprintf(&out, "\t%s\n", e)
			}
		}
	}
	if n > most {
		fmt.Fprintf(&out, "\t... and %d more\n", n-most)
	}
	return out.String()
}

// stale is the answer that e must not be, if there is one: true after a kill,
// false before all. Otherwise nil.
func stale(ops []event, e event) any {
	begun := false
	for _, k := range ops {
		if k.Input == killed && k.Return < e.Call {
			return true
		}
		begun = begun || (k.Input == killing || k.Input == disabling) && k.Call <= e.Return
	}
	if !begun {
		return false
	}
	return nil
}
