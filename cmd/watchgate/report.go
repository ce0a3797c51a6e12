package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
)

// report is what an operation says: a table, a sentence, or both.
type report struct {
	Columns []string   `json:"columns,omitempty"`
	Rows    [][]string `json:"rows,omitempty"`
	Note    string     `json:"note,omitempty"`
	// Tall prints a line for each cell that is not empty: one thing with much to say.
	Tall bool `json:"tall,omitempty"`
	// Advice prints the last column, what to do, on lines of its own.
	Advice bool `json:"advice,omitempty"`
}

// said returns a report of one sentence.
func said(format string, args ...any) report { return report{Note: fmt.Sprintf(format, args...)} }

// write prints a report for people, or as JSON.
func (r report) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(w, r.objects())
	}
	if len(r.Columns) > 0 {
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		for _, line := range r.lines() {
			for i, cell := range line {
				line[i] = visible(cell)
			}
			fmt.Fprintln(t, strings.Join(line, "\t"))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if r.Note != "" {
		for line := range strings.Lines(r.Note) {
			fmt.Fprintln(w, visible(strings.TrimSuffix(line, "\n")))
		}
	}
	return nil
}

// lines are the cells of the table as it is printed.
func (r report) lines() (all [][]string) {
	if r.Tall {
		return r.tall()
	}
	width := len(r.Columns)
	if r.Advice {
		width--
	}
	all = append(all, strings.Split(strings.ToUpper(strings.Join(r.Columns[:width], "\t")), "\t"))
	for _, row := range r.Rows {
		if !r.Advice {
			all = append(all, slices.Clone(row))
			continue
		}
		all = append(all, folded(row[:width], row[width-1])...)
		if row[width] != "" {
			all = append(all, folded(make([]string, width), "-> "+row[width])...)
		}
	}
	return all
}

// tall is a line for each thing that there is to say.
func (r report) tall() (all [][]string) {
	for i, row := range r.Rows {
		if i > 0 {
			all = append(all, []string{""})
		}
		for j, cell := range row {
			if cell != "" {
				all = append(all, []string{r.Columns[j], cell})
			}
		}
	}
	return all
}

// foldedAt is after how many bytes a text goes on in the next line.
const foldedAt = 80

// folded is a row with a text in its last cell, in as many lines as that takes.
func folded(row []string, text string) (lines [][]string) {
	row = slices.Clone(row)
	last := len(row) - 1
	row[last] = ""
	for word := range strings.FieldsSeq(text) {
		if row[last] != "" && len(row[last])+len(word) >= foldedAt {
			lines, row = append(lines, row), make([]string, len(row))
		}
		row[last] = strings.TrimSpace(row[last] + " " + word)
	}
	return append(lines, row)
}

// objects is the report for a script: a list of objects, or the sentence.
func (r report) objects() any {
	if len(r.Columns) == 0 {
		return map[string]string{"note": r.Note}
	}
	out := make([]map[string]string, 0, len(r.Rows))
	for _, row := range r.Rows {
		o := make(map[string]string, len(row))
		for i, cell := range row {
			o[r.Columns[i]] = cell
		}
		out = append(out, o)
	}
	return out
}

// visible escapes what could change how the lines around it read on a terminal:
// some texts of the database are strangers' (a name, a reason).
func visible(s string) string {
	if !strings.ContainsFunc(s, invisible) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !invisible(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// invisible finds control, format (zero-width, direction) and private characters,
// and line and paragraph separators.
func invisible(r rune) bool { return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) }

// writeJSON writes a value in one line. Escaping what is not visible does not
// change what the JSON means.
func writeJSON(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, visible(string(body)))
	return err
}
