package domains

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// The record is a TXT at the label under the domain, and says the token.
const (
	label = "_watchgate-challenge"
	word  = "watchgate-verification="
)

// lookTime bounds one question to the name servers.
const lookTime = 5 * time.Second

// Record is what the name servers of a domain have to say.
type Record struct {
	Name  string // without a dot at its end
	Value string
}

// RecordOf is the record that proves a claimed domain.
func RecordOf(d storage.Domain) Record {
	return Record{Name: label + "." + d.Name, Value: word + d.Token}
}

// newToken is what nobody else can guess: 160 bits.
func newToken() string {
	var b [20]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Lookup asks for TXT records; [net.Resolver] is one.
type Lookup interface {
	// LookupTXT returns what the records of a name say. An error that is a
	// [net.DNSError] with IsNotFound says that there are none.
	LookupTXT(ctx context.Context, name string) ([]string, error)
}

// Resolver asks the name server at host:port; "" is the system's.
func Resolver(server string) *net.Resolver {
	if server == "" {
		return &net.Resolver{PreferGo: true}
	}
	var d net.Dialer
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return d.DialContext(ctx, network, server)
	}}
}

// Sight is what came of looking for a record.
type Sight string

// The sights.
const (
	Found    Sight = "found"
	NotFound Sight = "not_found" // the name servers say so
	NoAnswer Sight = "no_answer" // they say nothing, and nothing follows from it
)

// look asks for the record of a domain once.
func look(ctx context.Context, from Lookup, d storage.Domain) Sight {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	r := RecordOf(d)
	texts, err := from.LookupTXT(ctx, r.Name+".") // the dot: no search list
	var no *net.DNSError
	switch {
	case slices.ContainsFunc(texts, func(t string) bool { return strings.TrimSpace(t) == r.Value }) && d.Token != "":
		return Found
	case err == nil, errors.As(err, &no) && no.IsNotFound && !no.IsTimeout && !no.IsTemporary:
		return NotFound
	}
	return NoAnswer
}
