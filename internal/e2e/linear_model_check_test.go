package e2e

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// op is one operation of a history made by hand.
func op(d deed, call, ret int64) porcupine.Operation {
	return porcupine.Operation{Input: d, Call: call, Return: ret}
}

func said(active bool, call, ret int64) porcupine.Operation {
	return porcupine.Operation{Input: answered, Output: active, Call: call, Return: ret}
}

// both are the two steps of a kill or of a disabling.
func both(first deed, call, ret int64) []porcupine.Operation {
	return []porcupine.Operation{op(first, call, ret), op(first+1, call, ret)}
}

// The checker is what everything else rests on: it has to say no.
func TestHistoriesThatBreakThePromiseAreRefused(t *testing.T) {
	issue, kill := op(issued, 0, 10), both(killing, 20, 30)
	off, on := both(disabling, 20, 30), op(enabled, 40, 50)
	before := append(both(disabling, -40, -30), op(enabled, -20, -10))
	for name, c := range map[string]struct {
		kills   []porcupine.Operation
		answers []porcupine.Operation
		want    porcupine.CheckResult
	}{
		"alive":                          {nil, []porcupine.Operation{said(true, 11, 12)}, porcupine.Ok},
		"inactive without a reason":      {nil, []porcupine.Operation{said(false, 11, 12)}, porcupine.Illegal},
		"inactive before the kill":       {kill, []porcupine.Operation{said(false, 11, 12)}, porcupine.Illegal},
		"one node knows, another not":    {kill, []porcupine.Operation{said(false, 21, 22), said(true, 23, 24)}, porcupine.Ok},
		"asked before, answered after":   {kill, []porcupine.Operation{said(true, 29, 40)}, porcupine.Ok},
		"active after the kill":          {kill, []porcupine.Operation{said(true, 31, 32)}, porcupine.Illegal},
		"inactive after the kill":        {kill, []porcupine.Operation{said(false, 31, 32)}, porcupine.Ok},
		"a kill that may have happened":  {both(killing, 20, never), []porcupine.Operation{said(true, 90, 91), said(false, 95, 96)}, porcupine.Ok},
		"active while disabled":          {append(off, on), []porcupine.Operation{said(true, 31, 32)}, porcupine.Illegal},
		"active when enabled again":      {append(off, on), []porcupine.Operation{said(false, 31, 32), said(true, 51, 52)}, porcupine.Illegal},
		"inactive when enabled again":    {append(off, on), []porcupine.Operation{said(false, 51, 52)}, porcupine.Ok},
		"issued when enabled again":      {before, []porcupine.Operation{said(true, 11, 12)}, porcupine.Ok},
		"dead though issued afterwards":  {before, []porcupine.Operation{said(false, 11, 12)}, porcupine.Illegal},
		"a disabling that may have been": {append(both(disabling, 20, never), op(enabled, 40, 50)), []porcupine.Operation{said(true, 60, 61), said(true, 90, 91)}, porcupine.Ok},
		"one that has been, perhaps":     {append(both(disabling, 20, never), op(enabled, 40, 50)), []porcupine.Operation{said(false, 60, 61), said(false, 70, 71)}, porcupine.Ok},
		"enabled, and killed before":     {append(append(kill, off...), on), []porcupine.Operation{said(true, 51, 52)}, porcupine.Illegal},
		"issued for a disabled client":   {both(disabling, -20, -10), nil, porcupine.Illegal},
		"issued when its tenant is dead": {both(killing, -20, -10), nil, porcupine.Illegal},
	} {
		t.Run(name, func(t *testing.T) {
			history := append(append([]porcupine.Operation{issue}, c.kills...), c.answers...)
			if got := check(promise, history); got != c.want {
				t.Errorf("the checker says %s", got)
			}
		})
	}
}
