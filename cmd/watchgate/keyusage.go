package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/remote"
)

type keyUsage struct {
	there
	ID    string `arg:"" help:"The key's id (key_...)."`
	Since string `help:"The first day to count, in UTC (2026-08-01); as far back as is kept when absent." placeholder:"DAY"`
}

// Run shows the usage.
func (c *keyUsage) Run(p *program) error {
	return p.remotely(c.there, func(r *remote.Client) error {
		u, err := r.Usage(p.ctx, c.ID, c.Since)
		switch {
		case err != nil:
			return err
		case c.JSON:
			return writeJSON(p.out, u)
		}
		return usageTable(u).write(p.out, false)
	})
}

// usageTable is one table of all ways in which a key was used.
func usageTable(u remote.Usage) report {
	r := report{
		Columns: []string{"used", "as", "calls", "last"},
		Note:    fmt.Sprintf("%d calls since %s, and %d that were refused. Last used: %s.", u.Calls, u.Since, u.Refused, moment(u.LastUsedAt)),
	}
	for _, part := range []struct {
		how  string
		uses []remote.UsedCount
	}{{"from", u.Addresses}, {"for", u.Scopes}, {"refused", u.Refusals}} {
		for _, use := range part.uses {
			r.Rows = append(r.Rows, []string{part.how, use.What, strconv.FormatInt(use.Calls, 10), use.LastAt.UTC().Format(time.RFC3339)})
		}
	}
	for _, d := range u.Days {
		calls := strconv.FormatInt(d.Calls, 10)
		if d.Refused > 0 {
			calls += fmt.Sprintf(" (%d refused)", d.Refused)
		}
		r.Rows = append(r.Rows, []string{"on", d.Day, calls, ""})
	}
	return r
}

// lines are a text with what is not visible in it escaped, line by line: a server's
// words redraw nothing.
func lines(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		out = append(out, visible(strings.TrimSuffix(line, "\n")))
	}
	return strings.Join(out, "\n")
}
