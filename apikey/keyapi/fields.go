package keyapi

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/manage"
)

// fields collects what is wrong with a body, so that all of it is said at once.
type fields []manage.Field

func (f *fields) add(name, format string, args ...any) {
	*f = append(*f, manage.Field{Field: name, Detail: fmt.Sprintf(format, args...)})
}

// null refuses null where it would mean nothing.
func (f *fields) null(name string, isNull bool) {
	if isNull {
		f.add(name, "It cannot be null.")
	}
}

// refuse returns nil when nothing is wrong.
func (f fields) refuse() error {
	if len(f) == 0 {
		return nil
	}
	return manage.Refuse(manage.Invalid, "", f...)
}

// end reads expires_in or expires_at; neither is given: nil and the zero time.
func (f *fields) end(in string, at manage.Optional[time.Time]) (*time.Duration, time.Time) {
	switch {
	case in != "" && at.Set:
		f.add("expires_at", "Say expires_in or expires_at, not both.")
	case at.Null:
		return new(time.Duration), time.Time{}
	case in != "":
		d, err := apikey.ParseLifetime(in)
		if err == nil {
			return &d, time.Time{}
		}
		f.add("expires_in", "This is no lifetime: write 720h, 30d, 6mo, 1y (at most 100y) or never.")
	case at.Set:
		if end := at.Value.UTC().Truncate(time.Millisecond); !end.IsZero() {
			return nil, end
		}
		f.add("expires_at", "This is not in the future.")
	}
	return nil, time.Time{}
}

// scopes reads scopes or permissions; chosen says that one of them is given.
func (f *fields) scopes(c *catalogue.Catalogue, scopes []string, permissions map[string][]string) (out []string, chosen bool) {
	switch {
	case scopes != nil && permissions != nil:
		f.add("permissions", "Say scopes or permissions, not both.")
	case permissions != nil:
		before := len(*f)
		if out = f.permitted(c, permissions); len(out) == 0 && len(*f) == before {
			f.add("permissions", "A key needs at least one permission.")
		}
		return out, true
	}
	return scopes, scopes != nil
}

// permitted are the scopes of permissions.
func (f *fields) permitted(c *catalogue.Catalogue, permissions map[string][]string) []string {
	scopes, err := c.FromPermissions(permissions)
	var unknown *catalogue.UnknownPermission
	switch {
	case err == nil:
		return scopes
	case errors.As(err, &unknown) && unknown.Action != "":
		f.add("permissions."+unknown.Resource, "The resource has no such action as %q.", unknown.Action)
	case errors.As(err, &unknown):
		f.add("permissions."+unknown.Resource, "There is no such resource.")
	default:
		f.add("permissions", "There is no such permission.")
	}
	return nil
}
