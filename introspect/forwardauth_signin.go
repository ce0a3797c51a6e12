package introspect

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// signInNeeds are what a request in a proxy's hands needs of its person's sign-in
// (RFC 9470).
type signInNeeds struct {
	// acr are lists of contexts, the best first. One of each list is needed.
	acr    [][]string
	maxAge int64 // seconds; 0: any
	// orKey lets API keys in, and tokens that were made under one: nobody signed in
	// for them.
	orKey bool
}

// The operator's mistakes, for the log.
var (
	errBadACR    = errors.New("acr_values is blank, or has characters that no context has")
	errBadMaxAge = errors.New("max_age is not a number of seconds from 1 on")
	errBadOrKey  = errors.New("or_api_key is not true, or is said twice")
)

// signInNeedsOf reads what the proxy's configuration asks for. As with scopes, what
// is named anywhere is needed: a client that adds a list of contexts has one more to
// meet. What asks for less, or_api_key, counts in the query alone.
func signInNeedsOf(r *http.Request, own web.Form) (n signInNeeds, err error) {
	if n.acr, err = contextsOf(append(own.All("acr_values"), r.Header["X-Watchgate-Require-Acr-Values"]...), own.Blank["acr_values"]); err != nil {
		return n, err
	}
	if n.maxAge, err = maxAgeOf(append(own.All("max_age"), r.Header["X-Watchgate-Require-Max-Age"]...), own.Blank["max_age"]); err != nil {
		return n, err
	}
	orKey := own.All("or_api_key")
	n.orKey = slices.Equal(orKey, []string{"true"})
	if own.Blank["or_api_key"] || len(orKey) > 0 && !n.orKey {
		return n, errBadOrKey
	}
	return n, nil
}

// contextsOf reads lists of contexts.
func contextsOf(lists []string, blank bool) (all [][]string, err error) {
	for _, list := range lists {
		values := strings.FieldsFunc(list, func(c rune) bool { return c == ' ' })
		if len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return !quotable(v) }) {
			return nil, errBadACR
		}
		all = append(all, values)
	}
	if blank {
		return nil, errBadACR
	}
	return all, nil
}

// maxAgeOf is the least of all ages, 0 where there is none.
func maxAgeOf(ages []string, blank bool) (least int64, err error) {
	for _, value := range ages {
		age, err := strconv.ParseUint(value, 10, 31)
		if err != nil || age == 0 {
			return 0, errBadMaxAge
		}
		if least == 0 || int64(age) < least {
			least = int64(age)
		}
	}
	if blank {
		return 0, errBadMaxAge
	}
	return least, nil
}

// met returns why an active credential does not do, or nil.
func (n signInNeeds) met(a active, now time.Time) error {
	underKey := a.TokenType == keyType || a.KeyID != ""
	if underKey && n.orKey {
		return nil
	}
	unmet := n.unmet(a.ACR)
	old := n.maxAge > 0 && (a.AuthTime == 0 || now.Unix()-a.AuthTime > n.maxAge)
	switch {
	case unmet == nil && !old:
		return nil
	case underKey || a.ClientID != "" && a.Sub == string(a.ClientID):
		return insufficient(http.StatusForbidden, "This needs a person who signed in, which an API key and a machine have not.", "")
	}
	if unmet == nil && len(n.acr) > 0 {
		unmet = n.acr[0] // the next sign-in has to reach it, too
	}
	return n.challenge(unmet)
}

// unmet is a list of contexts of which the sign-in reached none.
func (n signInNeeds) unmet(acr string) []string {
	for _, list := range n.acr {
		phr := acr == string(storage.LevelPHR) && slices.Contains(list, string(storage.LevelMFA))
		if !phr && !slices.Contains(list, acr) {
			return list
		}
	}
	return nil
}

// challenge says what a sign-in would have to be (RFC 9470 section 3).
func (n signInNeeds) challenge(acr []string) error {
	words, more := "A more recent sign-in is needed.", ""
	if len(acr) > 0 {
		words, more = "A stronger sign-in is needed.", `, acr_values="`+strings.Join(acr, " ")+`"`
	}
	if n.maxAge > 0 {
		more += `, max_age="` + strconv.FormatInt(n.maxAge, 10) + `"`
	}
	if n.maxAge > 0 && len(acr) > 0 {
		words = "A stronger or more recent sign-in is needed."
	}
	return insufficient(http.StatusUnauthorized, words, more)
}

func insufficient(status int, words, more string) error {
	const code = "insufficient_user_authentication"
	return web.Refuse(status, code, words, nil).
		With("WWW-Authenticate", `Bearer error="`+code+`", error_description="`+words+`"`+more)
}
