package manage

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
)

// A cursor says after which object a page begins. It is opaque, and good only for
// the tenant, the list and the filters that it was made for: a MAC says so.
const (
	cursorMAC  = 16  // bytes of HMAC-SHA256 that a cursor carries
	maxCursor  = 512 // characters
	maxPlace   = 128 // bytes of what is inside
	placeAfter = 'a' // the page after an object
	placeLast  = 'z' // the last page
)

// errCursor: no cursor of ours for this list.
var errCursor = errors.New("manage: not a cursor of this list")

var cursorText = base64.RawURLEncoding.Strict()

// place is where a page begins; the zero value is the first page.
type place struct {
	after string // the last object of the page before
	last  bool   // the last page, wherever it begins
}

// sealCursor writes a cursor for a list, which scope names.
func sealCursor(key []byte, scope string, p place) string {
	inner := []byte{placeAfter}
	if p.last {
		inner[0] = placeLast
	}
	inner = append(inner, p.after...)
	return cursorText.EncodeToString(append(cursorSum(key, scope, inner), inner...))
}

// openCursor reads a cursor. errCursor, whatever is wrong with it.
func openCursor(keys [][]byte, scope, cursor string) (place, error) {
	raw, err := cursorText.DecodeString(cursor)
	if err != nil || len(cursor) > maxCursor || len(raw) <= cursorMAC || len(raw) > cursorMAC+1+maxPlace {
		return place{}, errCursor
	}
	sum, inner := raw[:cursorMAC], raw[cursorMAC:]
	for _, key := range keys {
		if hmac.Equal(sum, cursorSum(key, scope, inner)) {
			return place{after: string(inner[1:]), last: inner[0] == placeLast}, nil
		}
	}
	return place{}, errCursor
}

func cursorSum(key []byte, scope string, inner []byte) []byte {
	bound := digest(scope, string(inner))
	mac := hmac.New(sha256.New, key)
	mac.Write(bound[:])
	return mac.Sum(nil)[:cursorMAC]
}

// listScope names the list that a call asks for: its tenant, its path and all that
// filters it.
func (c *call) listScope() string {
	sum := digest(string(c.who.Tenant), c.path, c.filters().Encode())
	return string(sum[:])
}

// filters are the query without what only says which page.
func (c *call) filters() url.Values {
	filters := url.Values{}
	for name, values := range c.query {
		if name != "cursor" && name != "limit" && values[0] != "" {
			filters[name] = values
		}
	}
	return filters
}
