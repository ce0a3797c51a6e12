package introspect

import (
	"context"
	"time"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// Keys knows API keys by their form, and the rules of their profiles, which do not
// change while a process runs.
type Keys interface {
	// ParseKey reports whether s has the form of a key, its checksum included, and
	// the hash under which it is stored. It asks nobody. No access token is a key.
	ParseKey(s string) (hash [32]byte, ok bool)
	// Verify reports whether what has the form of a key may be one of ours: the
	// signature of a JWT. It is called before a statement, and not where the answer
	// is remembered.
	Verify(ctx context.Context, s string) bool
	// Rules are those that the profile has now: whether a key is refused to calls
	// that did not come over HTTPS, and how often it may be used. false: there is no
	// such profile any more, and none of its keys is good.
	Rules(profile string) (httpsOnly bool, rate limit.Rate, known bool)
}

// form is what a presented string looks like. One string has one form.
type form int

const (
	formless form = iota // nothing that resource servers may know of
	accessToken
	apiKey
)

// subject is what a question is about.
type subject struct {
	form form
	ref  storage.TokenRef // of a key, the Hash alone
}

// subjectOf reads a presented string. It costs no statement.
func (s *Server) subjectOf(presented string) subject {
	if ref, err := token.Parse(token.Access, presented); err == nil {
		return subject{accessToken, ref}
	}
	if s.cfg.Keys == nil {
		return subject{}
	}
	hash, ok := s.cfg.Keys.ParseKey(presented)
	if !ok {
		return subject{}
	}
	return subject{apiKey, storage.TokenRef{Hash: hash}}
}

// genuine reports whether there may be such a thing at all, so that it is worth a
// statement.
func (s *Server) genuine(ctx context.Context, about subject, presented string) bool {
	switch about.form {
	case accessToken:
		return true
	case apiKey:
		return s.cfg.Keys.Verify(ctx, presented)
	}
	return false
}

// over reports whether a token says itself that its time has passed. A key does
// not say.
func (a subject) over(now time.Time) bool {
	return a.form == accessToken && now.Unix() >= int64(a.ref.Bucket)*3600
}

// kindOf says what a string that is neither an access token nor an API key looks
// like.
func kindOf(s string) string {
	for kind, name := range map[token.Kind]string{token.Refresh: "refresh_token", token.Code: "code"} {
		if _, err := token.Parse(kind, s); err == nil {
			return name
		}
	}
	return "malformed"
}
