package templates

import (
	"hash/fnv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// How many characters a page shows of a name, and of a remark. Hosts are shown whole.
const (
	maxName   = 80
	maxDetail = 300
)

// displayName prepares a name that somebody chose: invalid UTF-8, control characters and the invisible formatting characters
// (bidirectional overrides, zero-width joiners) go, because with them one name can be dressed up as another.
func displayName(s string) string { return visible(s, maxName) }

// displayDetail prepares a remark that somebody wrote, in the same way.
func displayDetail(s string) string { return visible(s, maxDetail) }

// visible returns at most limit characters of what can be seen of s, on one line.
func visible(s string, limit int) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		}
		return r
	}, s)
	clean = strings.Join(strings.Fields(clean), " ")
	if utf8.RuneCountInString(clean) <= limit {
		return clean
	}
	return string([]rune(clean)[:limit-1]) + "…"
}

// initial is the letter on a name's tile.
func initial(s string) string {
	for _, r := range displayName(s) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "•"
}

// tint picks one of the stylesheet's tile colours, always the same for the same name.
func tint(s string) string {
	h := fnv.New32a()
	h.Write([]byte(displayName(s)))
	return "tint-" + string(rune('1'+h.Sum32()%6))
}
