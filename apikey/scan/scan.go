package scan

import (
	"errors"
	"fmt"
	"io"

	"github.com/watchgate/watchgate/internal/token"
)

// Kind is what was found.
type Kind string

// The kinds.
const (
	APIKey       Kind = "API key"
	AccessToken  Kind = "access token"
	RefreshToken Kind = "refresh token"
	Code         Kind = "authorization code"
)

// Finding is one key or token, without its secret.
type Finding struct {
	Name   string // as given to Reader: of a file its path
	Line   int    // from 1
	Column int    // of the first byte, in bytes, from 1
	Kind   Kind
	Hint   string // what lists show of it
}

// String is for people: path:line:column, and what is there.
func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s %s", f.Name, f.Line, f.Column, f.Kind, f.Hint)
}

const (
	chunk = 64 << 10
	// ahead is how much of what follows a mark has to be there before it is judged,
	// and behind how much of what comes before it.
	ahead  = token.MaxJWTKey
	behind = token.MaxJWTKey
)

// Reader calls found for everything that it finds in r, in its order. It keeps some
// 70 KB, however long r and its lines are. The error is r's.
func Reader(name string, r io.Reader, found func(Finding)) error {
	s := &stream{name: name, found: found, line: 1, buf: make([]byte, 0, chunk+ahead+behind)}
	for {
		n, err := r.Read(s.buf[len(s.buf):min(len(s.buf)+chunk, cap(s.buf))])
		s.buf = s.buf[:len(s.buf)+n]
		over := errors.Is(err, io.EOF)
		if err != nil && !over {
			return fmt.Errorf("scan: %s: %w", name, err)
		}
		s.judge(over)
		if over {
			return nil
		}
		s.forget()
	}
}

// stream is a window over what is read.
type stream struct {
	name  string
	found func(Finding)
	buf   []byte
	next  int // of buf: what was not judged yet
	line  int
	begin int // of buf: where the line begins, less than 0 when it is behind the window
}

// judge looks at every mark that has enough after it, or at all when nothing more
// comes. A mark is a byte that every key and token has in a fixed place.
func (s *stream) judge(over bool) {
	end := len(s.buf) - ahead
	if over {
		end = len(s.buf)
	}
	for ; s.next < end; s.next++ {
		switch s.buf[s.next] {
		case '\n':
			s.line++
			s.begin = s.next + 1
		case '_':
			s.underscore(s.next)
		case '.':
			s.dot(s.next)
		}
	}
}

// forget drops what is too far behind to be part of what comes.
func (s *stream) forget() {
	drop := s.next - behind
	if drop <= 0 {
		return
	}
	s.buf = s.buf[:copy(s.buf, s.buf[drop:])]
	s.next -= drop
	s.begin -= drop
}

// underscore is in a token after its kind, and in a key between id and secret.
func (s *stream) underscore(at int) {
	if key, start, ok := token.KeyAround(s.buf, at); ok {
		s.report(start, APIKey, token.KeyHint(key))
		return
	}
	for kind, name := range map[token.Kind]Kind{token.Access: AccessToken, token.Refresh: RefreshToken, token.Code: Code} {
		start := at + 1 - len(kind)
		if start < 0 || start+token.Len > len(s.buf) {
			continue
		}
		if _, err := token.Parse(kind, string(s.buf[start:start+token.Len])); err == nil {
			s.report(start, name, string(kind)+"****")
		}
	}
}

// dot ends the header of a key that is a JWT.
func (s *stream) dot(at int) {
	if key, start, ok := token.JWTKeyAround(s.buf, at); ok {
		s.report(start, APIKey, token.JWTKeyHint(key))
	}
}

func (s *stream) report(start int, kind Kind, hint string) {
	s.found(Finding{Name: s.name, Line: s.line, Column: start - s.begin + 1, Kind: kind, Hint: hint})
}
