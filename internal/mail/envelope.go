package mail

import (
	"context"
	"errors"
	"time"

	"github.com/watchgate/watchgate/storage"
)

// Envelope is a mail that is ready to be sent.
type Envelope struct {
	ID   storage.MailID // the same at each attempt
	Kind Kind
	To   string // one address
	Date time.Time

	Subject string // one line
	Text    string
	HTML    string
}

// String keeps links out of whatever prints an Envelope.
func (e Envelope) String() string { return "mail " + string(e.ID) + " (" + string(e.Kind) + ")" }

// GoString is String for %#v.
func (e Envelope) GoString() string { return e.String() }

// Sender hands a mail over to whoever delivers it.
type Sender interface {
	// Send returns when the mail was taken. ErrRefused: it never will be. Any other
	// error is worth another attempt. No error has a part of what the mail says.
	Send(ctx context.Context, e Envelope) error
}

// ErrRefused: the mail was refused for good, for what it is or whom it is for.
var ErrRefused = errors.New("mail: refused for good")
