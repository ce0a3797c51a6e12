package outbound

import (
	"errors"
	"log/slog"
	"net/url"
)

// What can go wrong. Nothing else is said about the target (NW-07).
var (
	// ErrRefused: the policy forbids it: the URL, the address it leads to, a
	// redirect, a method.
	ErrRefused = errors.New("outbound: refused")
	// ErrTooLarge: the answer is larger than the limit.
	ErrTooLarge = errors.New("outbound: answer too large")
	// ErrFetch: no usable answer came in time.
	ErrFetch = errors.New("outbound: could not fetch")
)

// fetchError says its kind to everybody and its cause to the log.
type fetchError struct{ kind, cause error }

// failure keeps the kind of a cause that has one.
func failure(kind, cause error) error {
	for _, k := range []error{ErrRefused, ErrTooLarge} {
		if errors.Is(cause, k) {
			kind = k
		}
	}
	return &fetchError{kind, cause}
}

func (e *fetchError) Error() string   { return e.kind.Error() }
func (e *fetchError) Unwrap() []error { return []error{e.kind, e.cause} }

// LogValue is the innermost cause, for the log. A URL in it has lost its query.
func (e *fetchError) LogValue() slog.Value {
	cause := e.cause
	for {
		var inner *fetchError
		var at *url.Error
		switch {
		case errors.As(cause, &inner):
			cause = inner.cause
		case errors.As(cause, &at):
			cause = at.Err
		default:
			return slog.StringValue(cause.Error())
		}
	}
}
