package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestTerminalEscapesInAList: a name in the database redraws nothing.
func TestTerminalEscapesInAList(t *testing.T) {
	evil := "Acme\x1b[2J\r\n\u009b1A\u202eemcA\u2028\U000e0041\x7f"
	r := report{Columns: []string{"name"}, Rows: [][]string{{evil}}, Note: "first\nsecond " + evil}
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		if err := r.write(&out, asJSON); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(strings.ReplaceAll(out.String(), "\n", ""), invisible); i >= 0 {
			t.Errorf("JSON %v: raw characters in %q", asJSON, out.String())
		}
		if !asJSON {
			continue
		}
		var rows []map[string]string
		if err := json.Unmarshal(out.Bytes(), &rows); err != nil || rows[0]["name"] != evil {
			t.Errorf("the JSON says %q, %v; want the name unchanged", rows, err)
		}
	}
	if r.Rows[0][0] != evil {
		t.Error("writing changes the report")
	}
}
