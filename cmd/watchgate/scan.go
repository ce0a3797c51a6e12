package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/watchgate/watchgate/apikey/scan"
)

type scanCmd struct {
	Paths []string `arg:"" name:"path" help:"Files and folders to look at; - is standard input."`
	JSON  bool     `help:"Print JSON, one line for each finding."`
}

// Run looks for keys and tokens. It fails when it finds any, and when there is
// something that it cannot look at.
func (c *scanCmd) Run(p *program) error {
	found := 0
	var failed []error
	note := func(f scan.Finding) {
		found++
		if err := c.print(p, f); err != nil {
			failed = append(failed, err)
		}
	}
	var seen scan.Seen
	for _, path := range c.Paths {
		if path == "-" {
			failed = append(failed, scan.Reader("-", os.Stdin, note))
			continue
		}
		s, err := scan.Tree(path, note)
		seen.Files, seen.Binary = seen.Files+s.Files, seen.Binary+s.Binary
		failed = append(failed, err)
	}
	if seen.Binary > 0 {
		fmt.Fprintf(p.errOut, "%s passed over.\n", counted(seen.Binary, "binary file was", "binary files were"))
	}
	if found > 0 {
		failed = append(failed, fmt.Errorf("%s found: replace what is used, and revoke it", counted(found, "key or token", "keys and tokens")))
	}
	if err := errors.Join(failed...); err != nil {
		return errors.New(lines(err.Error()))
	}
	return nil
}

// print writes one finding, without its secret.
func (c *scanCmd) print(p *program, f scan.Finding) error {
	if c.JSON {
		return writeJSON(p.out, map[string]any{"path": f.Name, "line": f.Line, "column": f.Column, "kind": f.Kind, "hint": f.Hint})
	}
	_, err := fmt.Fprintln(p.out, visible(f.String()))
	return err
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
