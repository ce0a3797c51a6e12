package mail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// aboutUs is the reply of a server that wants a password before it takes any mail (RFC
// 4954 section 6): the mail is not to blame.
const aboutUs = 530

// explain turns what the library says into what this package's callers may log.
func explain(ctx context.Context, err error) error {
	cause := errors.New(harmless(err.Error()))
	ended := context.Cause(ctx)
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() && ended == nil {
		ended = context.DeadlineExceeded
	}
	if ended != nil {
		return fmt.Errorf("mail: the server did not answer in time: %w: %w", ended, cause)
	}
	var said *gomail.SendError
	if errors.As(err, &said) && said.ErrorCode()/100 == 5 && said.ErrorCode() != aboutUs && ofTheMail(said.Reason) {
		return fmt.Errorf("%w: %w", ErrRefused, cause)
	}
	return fmt.Errorf("mail: %w", cause)
}

// ofTheMail reports whether a server looked at the mail when it said that.
func ofTheMail(r gomail.SendErrReason) bool {
	switch r {
	case gomail.ErrSMTPMailFrom, gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		return true
	}
	return false
}

// How much of a server's words is kept, in bytes.
const (
	maxWord    = 40
	maxSlashed = 5 // i/o
	maxCause   = 300
)

// harmless is what a server said without what may be an address, a link or a secret: some
// quote the mail that they refuse.
func harmless(s string) string {
	words := strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	for i, w := range words {
		if strings.ContainsAny(w, "@%") || len(w) > maxWord || (strings.Contains(w, "/") && len(w) > maxSlashed) {
			words[i] = "…"
		}
	}
	s = strings.ToValidUTF8(strings.Join(words, " "), "")
	if len(s) > maxCause {
		s = strings.ToValidUTF8(s[:maxCause], "") + "…"
	}
	return s
}
