package orgapi

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// refusal is an error of the directory, of domains or of the store as a problem. What
// is no refusal stays what it is, and becomes 503 or 500 at the edge.
func refusal(err error) error {
	var p *directory.Problem
	switch {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrNotFound), errors.Is(err, domains.ErrUnknown):
		return manage.Refuse(manage.NotFound, "")
	case errors.Is(err, storage.ErrConflict):
		return manage.Refuse(manage.Conflict, "")
	case errors.Is(err, storage.ErrLastOwner):
		return manage.Refuse(manage.LastOwner, "")
	case errors.Is(err, storage.ErrExists):
		return manage.Refuse(manage.AlreadyExists, "")
	case errors.As(err, &p):
		return invalid(p)
	}
	return refusedDomain(err)
}

// invalid names every field that is wrong.
func invalid(p *directory.Problem) error {
	out := &manage.Problem{Kind: manage.Invalid}
	var plain []string
	for i, wrong := range p.Wrong {
		if i < len(p.Fields) && p.Fields[i] != "" {
			out.Fields = append(out.Fields, manage.Field{Field: p.Fields[i], Detail: sentence(wrong)})
			continue
		}
		plain = append(plain, sentence(wrong))
	}
	out.Detail = strings.Join(plain, " ")
	return out
}

// sentence begins with a capital and ends with a full stop.
func sentence(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(first)) + s[size:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// refusedDomain is why a domain is not the tenant's.
func refusedDomain(err error) error {
	field := func(name string, err error) error {
		return manage.Refuse(manage.Invalid, "", manage.Field{Field: name, Detail: sentence(err.Error())})
	}
	switch {
	case errors.Is(err, domains.ErrNoDomain):
		return field("name", domains.ErrNoDomain)
	case errors.Is(err, domains.ErrPublicMail):
		return field("name", domains.ErrPublicMail)
	case errors.Is(err, domains.ErrPublicSuffix):
		return field("name", domains.ErrPublicSuffix)
	case errors.Is(err, domains.ErrClaimed):
		return manage.Refuse(manage.AlreadyExists, "The tenant has this domain already.")
	case errors.Is(err, domains.ErrTooMany):
		return manage.Refuse(manage.Invalid, "The tenant has as many domains as it may have. Remove one first.")
	case errors.Is(err, domains.ErrNoConnection):
		return manage.Refuse(manage.Invalid, "", manage.Field{Field: "connection", Detail: "There is no such connection."})
	case errors.Is(err, domains.ErrNotProved):
		return manage.Refuse(manage.DomainNotProved, "")
	case errors.Is(err, domains.ErrNoAnswer):
		return manage.Refuse(manage.DomainNotProved, "The name servers of the domain did not answer. Nothing has changed: try again later.")
	case errors.Is(err, domains.ErrTaken):
		return manage.Refuse(manage.DomainTaken, "")
	}
	return err
}

// unmatched is refusal for a change with If-Match.
func unmatched(m manage.IfMatch, err error) error {
	if errors.Is(err, storage.ErrConflict) {
		return m.Failed()
	}
	return refusal(err)
}

// wrong is a refusal of one field.
func wrong(field, detail string) error {
	return manage.Refuse(manage.Invalid, "", manage.Field{Field: field, Detail: detail})
}
