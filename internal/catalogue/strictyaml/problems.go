package strictyaml

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	File string
	Line int    // from 1; 0: no line in particular
	Text string // a sentence for who wrote the file
}

// String is "FILE:LINE: text".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Problems is everything that is wrong with a file, in the order of its lines.
type Problems []Problem

// Error lists them, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// Notes collects the problems of one file.
type Notes struct {
	file  string
	found Problems
}

// NewNotes returns an empty list for a file of that name.
func NewNotes(file string) *Notes { return &Notes{file: file} }

// Add notes a problem in a line; 0: no line in particular.
func (n *Notes) Add(line int, format string, args ...any) {
	text := strings.Map(printable, fmt.Sprintf(format, args...))
	n.found = append(n.found, Problem{File: n.file, Line: line, Text: text})
}

// printable keeps what a file can smuggle into a terminal, or onto a line of its own,
// out of a sentence.
func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return ' '
	}
	return r
}

// Count is how many there are.
func (n *Notes) Count() int { return len(n.found) }

// Err returns all of them as [Problems], or nil when there is none.
func (n *Notes) Err() error {
	if len(n.found) == 0 {
		return nil
	}
	return slices.Clone(n.found).sorted()
}

// sorted are the problems in the order of their lines, each once.
func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return slices.Compact(p)
}

// Together returns what several readings of one file found as one list, or nil when
// there is nothing. An error that is no [Problems] is left as it is, and alone.
func Together(errs ...error) error {
	var all Problems
	for _, err := range errs {
		var some Problems
		switch {
		case err == nil:
		case errors.As(err, &some):
			all = append(all, some...)
		default:
			return err
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all.sorted()
}
