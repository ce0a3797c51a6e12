package archtest

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Violation is one place that breaks a rule.
type Violation struct {
	// Place is a file of the module, with a line where there is one.
	Place string
	// What is wrong there.
	What string
	// Why the rule exists, and what to do.
	Why string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s\n\twhy: %s", v.Place, v.What, v.Why)
}

// report takes what a rule found.
type report func(place, what, why string)

// rules are about one file each.
var rules = []func(*file, report){
	checkDirection,
	checkSiblings,
	checkKits,
	checkStandardOnly,
	checkLibraries,
	checkName,
	checkPatience,
	checkClock,
	checkBudget,
}

// Check applies every rule to a module's source tree. Its error says that a file
// could not be read or parsed.
func Check(tree fs.FS) ([]Violation, error) {
	files, err := load(tree)
	if err != nil {
		return nil, err
	}
	var found []Violation
	note := func(place, what, why string) { found = append(found, Violation{place, what, why}) }
	for _, f := range files {
		for _, rule := range rules {
			rule(f, note)
		}
	}
	checkDocumented(files, note)
	slices.SortFunc(found, func(a, b Violation) int { return strings.Compare(a.Place, b.Place) })
	return found, nil
}
