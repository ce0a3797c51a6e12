package e2e

import (
	"fmt"
	"math"

	"github.com/anishathalye/porcupine"
)

// deed is what an operation of a history does to one token, or asks about it.
type deed int

const (
	issued    deed = iota // the token was handed out
	answered              // an introspection said something
	killing               // a kill may be seen from here on
	killed                // a kill has to be seen from here on
	disabling             // as killing, of the client: it may be enabled again
	disabled              // as killed, likewise: what it had by then is ended for good
	enabled               // the client is enabled, and may have new tokens
)

func (d deed) String() string {
	return []string{"issue", "introspect", "kill begins", "kill", "disable begins", "disable", "enable"}[d]
}

// never is the return of an operation whose outcome nobody knows: it may happen
// at any later time, or not at all.
const never = math.MaxInt64

// standing is how far something is on its way from good to ended.
type standing uint8

const (
	good   standing = iota
	ending          // a kill is under way: some nodes know, others do not
	ended
)

// life is the state of the model: a token and the client that it hangs on.
type life struct {
	out           bool // it was issued
	token, client standing
}

func (l life) String() string {
	words := []string{"good", "ending", "ended"}
	if !l.out {
		return "not issued, client " + words[l.client]
	}
	return fmt.Sprintf("token %s, client %s", words[l.token], words[l.client])
}

// mayBeActive and mayBeInactive are what an introspection may say.
func (l life) mayBeActive() bool { return l.out && l.token != ended && l.client != ended }
func (l life) mayBeInactive() bool {
	return !l.out || l.token != good || l.client != good
}

// promise is the sequential specification that histories are held against. An
// operation that kills is two steps, anywhere between its call and its return:
// from the first on it may be seen, from the second on it has to be. What is
// promised is that nobody says "active" after the kill has returned, and that
// nobody says "inactive" before it was called. Between the two a node may know
// while another does not.
var promise = porcupine.Model{
	Init: func() any { return life{} },
	Step: func(state, input, output any) (bool, any) { return step(state.(life), input.(deed), output) },
	DescribeOperation: func(input, output any) string {
		if output == nil {
			return input.(deed).String()
		}
		return fmt.Sprintf("%s: active %t", input, output)
	},
	DescribeState: func(state any) string { return state.(life).String() },
}

// atomicKill is the stricter specification in which a kill is one step: it is seen
// everywhere at once.
var atomicKill = porcupine.Model{
	Init: promise.Init,
	Step: func(state, input, output any) (bool, any) {
		if d := input.(deed); d == killing || d == disabling {
			return true, state
		}
		return step(state.(life), input.(deed), output)
	},
}

func step(l life, d deed, output any) (bool, any) {
	switch d {
	case answered:
		if output.(bool) {
			return l.mayBeActive(), l
		}
		return l.mayBeInactive(), l
	case issued:
		// No token is handed out in the name of what is dead already.
		ok := !l.out && l.token != ended && l.client != ended
		l.out = true
		return ok, l
	case killing:
		l.token = max(l.token, ending)
	case killed:
		l.token = ended
	case disabling:
		l.client = max(l.client, ending)
	case disabled:
		l.client = ended
		if l.out {
			l.token = ended
		}
	case enabled:
		l.client = good
	}
	return true, l
}
