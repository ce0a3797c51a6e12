package templates

import (
	"fmt"
	"time"
)

// scopeSentences are the scopes of OpenID Connect Core 1.0, sections 3.1.2.1, 5.4 and 11. They continue "This app will be
// able to".
var scopeSentences = map[string]string{
	"openid":         "Confirm who you are when you sign in",
	"profile":        "See your name, picture and profile",
	"email":          "See your e-mail address",
	"address":        "See your postal address",
	"phone":          "See your phone number",
	"offline_access": "Keep its access while you are away",
}

// ScopeSentence says in plain words what a standard OpenID Connect scope lets an app do. The second result is false for any
// other scope.
func ScopeSentence(scope string) (string, bool) {
	sentence, ok := scopeSentences[scope]
	return sentence, ok
}

// lifetimeWords writes a duration the way a person says it, in its largest whole unit; anything odd is rounded up to
// minutes, so that the page never promises less access than there is.
func lifetimeWords(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day && d%day == 0:
		return count(int64(d/day), "day")
	case d >= time.Hour && d%time.Hour == 0:
		return count(int64(d/time.Hour), "hour")
	default:
		return count(int64((d+time.Minute-1)/time.Minute), "minute")
	}
}

func count(n int64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
