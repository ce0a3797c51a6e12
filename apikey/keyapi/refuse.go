package keyapi

import (
	"errors"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/manage"
)

// kinds are the problem types of the service's refusals.
var kinds = map[apikey.Code]manage.Kind{
	apikey.NotFound: manage.NotFound, apikey.Invalid: manage.Invalid, apikey.Forbidden: manage.Forbidden,
	apikey.ScopeTooWide: manage.ScopeExceeds, apikey.LifetimeTooLong: manage.LifetimeExceeds, apikey.TooMany: manage.TooManyKeys,
	apikey.EmailUnverified: manage.EmailNotVerified, apikey.MFANeeded: manage.MFARequired, apikey.FreshNeeded: manage.Reauthenticate,
	apikey.NotAllowed: manage.NotAllowed, apikey.Conflict: manage.Conflict, apikey.Gone: manage.Gone, apikey.TenantSuspended: manage.TenantSuspended,
}

// refusal is a service's error as a problem; what is no refusal stays what it is, and
// becomes 503 or 500 at the edge.
func refusal(err error) error {
	var r *apikey.Refusal
	if !errors.As(err, &r) {
		return err
	}
	kind, known := kinds[r.Code]
	if !known {
		return err
	}
	p := &manage.Problem{Kind: kind, Detail: r.Detail, MaxAge: r.MaxAge}
	for _, f := range r.Fields {
		p.Fields = append(p.Fields, manage.Field{Field: f.Field, Detail: f.Detail})
	}
	return p
}

// inWords is a service's error with a field, and what is in it, named as the caller
// named it.
func inWords(err error, field, asked string) error {
	var r *apikey.Refusal
	if !errors.As(err, &r) {
		return err
	}
	named := *r
	named.Fields = slices.Clone(r.Fields)
	for i, f := range named.Fields {
		if f.Field == field || strings.HasPrefix(f.Field, field+"[") {
			named.Fields[i].Field = asked
		}
	}
	return &named
}
