package scan

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedPatterns tries the patterns of docs/key-format.md on what we make.
func TestDocumentedPatterns(t *testing.T) {
	page, err := os.ReadFile("../../docs/key-format.md")
	if err != nil {
		t.Fatal(err)
	}
	var patterns []*regexp.Regexp
	for i, block := range strings.Split(string(page), "```") {
		if block = strings.TrimSpace(block); i%2 == 1 && strings.Contains(block, "[0-9A-Za-z") {
			patterns = append(patterns, regexp.MustCompile("^(?:"+block+")$"))
		}
	}
	if len(patterns) != 3 {
		t.Fatalf("%d patterns in the page", len(patterns))
	}
	for i, good := range [][]string{{key, short}, {signed}, {access, refresh, code}} {
		for _, s := range good {
			if !patterns[i].MatchString(s) {
				t.Errorf("pattern %d does not match %q", i+1, s)
			}
		}
		for _, s := range []string{"up_live_", key[1:] + "x.", strings.ToUpper(key), access[:20]} {
			if patterns[i].MatchString(s) {
				t.Errorf("pattern %d matches %q", i+1, s)
			}
		}
	}
}
