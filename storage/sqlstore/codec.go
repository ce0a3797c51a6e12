package sqlstore

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// The types here carry values between Go and both drivers. Each has a method
// for database/sql (Scan) and one for pgx, which is spared the detour.

// stamp is a time in a column: unix milliseconds, NULL for the zero time.
type stamp time.Time

// at is where a time is read to.
func at(t *time.Time) *stamp { return (*stamp)(t) }

// ScanInt64 implements pgtype.Int64Scanner.
func (s *stamp) ScanInt64(v pgtype.Int8) error {
	*s = stamp{}
	if v.Valid {
		*s = stamp(time.UnixMilli(v.Int64).UTC())
	}
	return nil
}

// Scan implements sql.Scanner.
func (s *stamp) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		return s.ScanInt64(pgtype.Int8{})
	case int64:
		return s.ScanInt64(pgtype.Int8{Int64: v, Valid: true})
	}
	return fmt.Errorf("a time is stored as %T", v)
}

// when is a time as an argument.
func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// span is a duration in a column: milliseconds.
type span time.Duration

// ScanInt64 implements pgtype.Int64Scanner.
func (s *span) ScanInt64(v pgtype.Int8) error {
	*s = span(time.Duration(v.Int64) * time.Millisecond)
	return nil
}

// Scan implements sql.Scanner.
func (s *span) Scan(v any) error {
	n, _ := v.(int64)
	return s.ScanInt64(pgtype.Int8{Int64: n, Valid: true})
}

// words is a list of strings in a column. Scopes, the common case, are stored
// as the protocol spells them (RFC 6749 section 3.3: no scope holds a space);
// a list that this would garble is stored as JSON.
type words []string

// ScanText implements pgtype.TextScanner.
func (w *words) ScanText(v pgtype.Text) error {
	*w = nil
	switch {
	case v.String == "":
		return nil
	case v.String[0] == '[':
		return json.Unmarshal([]byte(v.String), (*[]string)(w))
	}
	*w = strings.Split(v.String, " ")
	return nil
}

// Scan implements sql.Scanner.
func (w *words) Scan(v any) error { return w.ScanText(text(v)) }

// joined is a list as an argument.
func joined(list []string) string {
	for _, s := range list {
		if s == "" || s[0] == '[' || strings.Contains(s, " ") {
			return jsonText(list)
		}
	}
	return strings.Join(list, " ")
}

// structure is a value in a column as JSON; an empty column is the zero value.
type structure[T any] struct{ to *T }

// within is where a JSON value is read to.
func within[T any](to *T) structure[T] { return structure[T]{to} }

// ScanText implements pgtype.TextScanner.
func (s structure[T]) ScanText(v pgtype.Text) error {
	*s.to = *new(T)
	if v.String == "" {
		return nil
	}
	return json.Unmarshal([]byte(v.String), s.to)
}

// Scan implements sql.Scanner.
func (s structure[T]) Scan(v any) error { return s.ScanText(text(v)) }

// jsonText is a value as an argument. What is stored so are structs, lists and
// maps of JSON types; anything else is a mistake of the program.
func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("sqlstore: " + err.Error())
	}
	return string(b)
}

// orNothing is JSON text, or "" for an empty value.
func orNothing(empty bool, v any) string {
	if empty {
		return ""
	}
	return jsonText(v)
}

// digest is a 32-byte hash in a column.
type digest [32]byte

// ScanBytes implements pgtype.BytesScanner.
func (d *digest) ScanBytes(v []byte) error {
	*d = digest{}
	if v != nil && copy(d[:], v) != len(d) {
		return fmt.Errorf("a hash of %d bytes", len(v))
	}
	return nil
}

// Scan implements sql.Scanner.
func (d *digest) Scan(v any) error {
	b, _ := v.([]byte)
	return d.ScanBytes(b)
}

func text(v any) pgtype.Text {
	switch v := v.(type) {
	case string:
		return pgtype.Text{String: v, Valid: true}
	case []byte:
		return pgtype.Text{String: string(v), Valid: true}
	}
	return pgtype.Text{}
}

// optional is nil for an empty hash: a NULL.
func optional(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// str, num and flag are a string, an integer and a boolean that a left join may
// have left NULL: the zero value.
type (
	str  string
	num  int64
	flag bool
)

// ScanText implements pgtype.TextScanner.
func (s *str) ScanText(v pgtype.Text) error {
	*s = str(v.String)
	return nil
}

// Scan implements sql.Scanner.
func (s *str) Scan(v any) error { return s.ScanText(text(v)) }

// ScanInt64 implements pgtype.Int64Scanner.
func (n *num) ScanInt64(v pgtype.Int8) error {
	*n = num(v.Int64)
	return nil
}

// Scan implements sql.Scanner.
func (n *num) Scan(v any) error {
	i, _ := v.(int64)
	*n = num(i)
	return nil
}

// ScanBool implements pgtype.BoolScanner.
func (f *flag) ScanBool(v pgtype.Bool) error {
	*f = flag(v.Bool)
	return nil
}

// Scan implements sql.Scanner.
func (f *flag) Scan(v any) error {
	switch v := v.(type) {
	case bool:
		*f = flag(v)
	case int64:
		*f = v != 0
	default:
		*f = false
	}
	return nil
}

// counter is an int in a column.
type counter struct{ to *int }

// ScanInt64 implements pgtype.Int64Scanner.
func (c counter) ScanInt64(v pgtype.Int8) error {
	*c.to = int(v.Int64)
	return nil
}

// Scan implements sql.Scanner.
func (c counter) Scan(v any) error {
	i, _ := v.(int64)
	*c.to = int(i)
	return nil
}
