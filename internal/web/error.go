package web

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"net/http"
)

// Error is a refusal with two faces: what the client reads and what the log
// keeps.
type Error struct {
	Status int         // HTTP status
	Code   string      // OAuth error code, or a short code of our own
	Public string      // one sentence for the client; only %x20-21 / %x23-5B / %x5D-7E (RFC 6749 section 5.2)
	Err    error       // the cause, for the log only; may be nil
	Header http.Header // extra response headers; may be nil
	// Note is what an operator wrote for the people concerned; pages show it, and
	// nothing else does. Usually "".
	Note string
}

// Error is for the log: the code and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Code
	}
	return e.Code + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// With returns a copy that also sends a response header.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.Header = e.Header.Clone()
	if c.Header == nil {
		c.Header = http.Header{}
	}
	c.Header.Set(name, value)
	return &c
}

// Refuse returns an error that tells the client code and public, and the log
// cause, which may be nil.
func Refuse(status int, code, public string, cause error) *Error {
	return &Error{Status: status, Code: code, Public: public, Err: cause}
}

// Unavailable is the answer while something that we need is away: never
// "unknown", "inactive" or "invalid".
func Unavailable(cause error) *Error {
	return Refuse(http.StatusServiceUnavailable, "temporarily_unavailable",
		"The server cannot answer right now. Try again in a moment.", cause).With("Retry-After", "1")
}

// internal is the answer to what should not have happened.
func internal(cause error) *Error {
	return Refuse(http.StatusInternalServerError, "server_error", "Something went wrong on our side.", cause)
}

func notAllowed() *Error {
	return Refuse(http.StatusMethodNotAllowed, "invalid_request", "The method is not allowed here.", nil)
}

func tooLarge(cause error) *Error {
	return Refuse(http.StatusRequestEntityTooLarge, "invalid_request", "The request is too large.", cause)
}

// statusClientGone is what nginx calls a request whose client did not wait for
// the answer. Nobody reads it but the log and the metrics, which must not count
// it as a failure of ours.
const statusClientGone = 499

func clientGone(e *Error) *Error {
	return Refuse(statusClientGone, "client_gone", "The client did not wait for the answer.", e)
}

// AsError returns the refusal that err is or wraps. Of the others, a body over
// the limit is 413, a store or a network that is away, and an interrupted
// request, are [Unavailable], and the rest is 500 server_error.
func AsError(err error) *Error {
	var e *Error
	var body *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &body):
		return tooLarge(err)
	case away(err):
		return Unavailable(err)
	}
	return internal(err)
}

// away reports whether err says that something could not answer. Database
// drivers are known by the shape of their errors, so that this package imports
// none: SQLState and SafeToRetry are PostgreSQL's, Code is SQLite's. What a
// driver says in yet another way, the room that asked maps by [Unavailable].
func away(err error) bool {
	for _, known := range []error{
		context.Canceled, context.DeadlineExceeded, driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	var network net.Error
	var state interface{ SQLState() string }
	var retry interface{ SafeToRetry() bool }
	var code interface{ Code() int }
	return errors.As(err, &network) || errors.As(err, &state) || errors.As(err, &retry) || errors.As(err, &code)
}
