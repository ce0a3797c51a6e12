package audit

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/watchgate/watchgate/storage"
)

// Limits of what strangers may write into the trail, in bytes.
const (
	maxText    = 256
	maxDetails = 16
)

// safe makes every text of an event harmless in a log line, a CSV cell's
// terminal and a web page (AU-05): control, format and bidirectional characters
// are escaped, and lengths are cut.
func safe(ev storage.Event) storage.Event {
	for _, s := range []*string{
		&ev.Reason, &ev.ActorKind, &ev.ActorID, &ev.Object, &ev.IP, &ev.UserAgent, &ev.RequestID,
		(*string)(&ev.User), (*string)(&ev.Client), (*string)(&ev.Session), (*string)(&ev.Grant), (*string)(&ev.Connection),
	} {
		*s = text(*s)
	}
	if len(ev.Details) == 0 {
		return ev
	}
	details := make(map[string]string, len(ev.Details))
	for k, v := range ev.Details {
		if v != "" && len(details) < maxDetails {
			details[text(k)] = text(v)
		}
	}
	ev.Details = details
	return ev
}

// text escapes what could change how its surroundings are read, and cuts.
func text(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "..."
	}
	if !strings.ContainsFunc(s, unsafe) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unsafe(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unsafe finds control, format (zero-width, bidirectional), separator and
// private characters, and what is no UTF-8.
func unsafe(r rune) bool {
	return r == utf8.RuneError || unicode.In(r, unicode.C, unicode.Zl, unicode.Zp)
}
