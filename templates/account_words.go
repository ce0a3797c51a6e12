package templates

import "time"

// AccountMoment is when something happened, in words.
type AccountMoment struct {
	Words string // "5 minutes ago"; empty for never
	Exact string
	ISO   string // RFC 3339
}

// NewAccountMoment says when t was, seen from now. A zero t is never. Pages know no time
// zone of their reader's: what is long ago is said in UTC.
func NewAccountMoment(t, now time.Time) AccountMoment {
	if t.IsZero() {
		return AccountMoment{}
	}
	return AccountMoment{
		Words: agoWords(t, now), Exact: t.UTC().Format("2 January 2006, 15:04 UTC"), ISO: t.UTC().Format(time.RFC3339),
	}
}

// agoWords rounds down: what was a minute and a half ago was a minute ago.
func agoWords(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return count(int64(d/time.Minute), "minute") + " ago"
	case d < 48*time.Hour:
		return count(int64(d/time.Hour), "hour") + " ago"
	}
	return t.UTC().Format("2 January 2006")
}
