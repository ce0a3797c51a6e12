package templates

import (
	"fmt"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/device"
)

// How many characters a mail shows of a name, of what has to be shown whole (a DNS record), and of its subject.
const (
	maxMailName   = 100
	maxMailRecord = 1200
	maxSubject    = 120
)

// mailFields prepares what a mail says: each field in the way of its name.
func mailFields(fields map[string]string) (map[string]string, error) {
	clean := make(map[string]string, len(fields))
	for name, value := range fields {
		switch name {
		case "link":
			if value == "" {
				continue
			}
			if _, err := webURL(value); err != nil {
				return nil, fmt.Errorf("link: %w", err)
			}
			clean[name] = value
		case "at", "until", "expires":
			clean[name] = momentWords(value)
		case "record", "domain", "issuer", "support": // by DNS, or by the deployment's configuration
			clean[name] = visible(value, maxMailRecord)
		case "device":
			clean[name] = deviceWords(value)
		default:
			clean[name] = unlinked(visible(value, maxMailName))
		}
	}
	return clean, nil
}

// unlinked takes out of a name what mail programs make a link of: with it, whoever chooses a name could send a link of
// theirs in a mail of ours.
func unlinked(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		host, _, hasPath := strings.Cut(w, "/") // Firefox/132.0 has its dot behind it
		www := strings.HasPrefix(strings.ToLower(w), "www.")
		if strings.Contains(w, "://") || www || (hasPath && strings.Contains(host, ".")) {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// momentForms are how a field may say when.
var momentForms = []string{time.RFC3339, "2006-01-02 15:04 MST"}

// momentWords is a moment as people read it: 2 January 2006, 15:04 UTC. What is no moment stays as it is.
func momentWords(s string) string {
	for _, form := range momentForms {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC().Format("2 January 2006, 15:04 UTC")
		}
	}
	return unlinked(visible(s, maxMailName))
}

// deviceWords is what a user agent is, as people know it; "" for none.
func deviceWords(userAgent string) string {
	if userAgent == "" {
		return ""
	}
	return device.Name(userAgent)
}

// byWords says who did it.
func byWords(s string) string {
	switch s {
	case "", "person", "self", "user":
		return "you, or somebody in your session"
	case "admin":
		return "an administrator"
	case "operator":
		return "the people who run this service"
	case "provider", "upstream":
		return "your identity provider"
	case "system":
		return "the system"
	}
	return s
}
