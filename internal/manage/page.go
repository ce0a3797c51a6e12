package manage

import (
	"context"
	"strconv"
	"strings"
)

// walkStep is how many objects one step towards the last page reads.
const walkStep = 1000

// Page says which page of a list is asked for. Embed it in an operation's input.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"How many there are on a page, at most."`
	Cursor string `query:"cursor" maxLength:"512" doc:"Which page: a cursor from next_cursor, or from a link of an earlier answer. It belongs to these filters. Without one: the first page."`
}

// Source is what a list is read from, in an order that does not change.
type Source[T any] struct {
	// Page returns at most limit (1 to 1000) objects after the one with that id, from
	// the beginning when it is "".
	Page func(ctx context.Context, after string, limit int) ([]T, error)
	ID   func(T) string
	// Count counts them all. It is asked for JSON-LD only.
	Count func(ctx context.Context) (int, error)
}

// List is an operation's output: one page, in JSON or as a Hydra collection, with
// links (RFC 8288).
type List[R any] struct {
	Link string `header:"Link" doc:"The first, the next and the last page (RFC 8288)."`
	Body Collection[R]
}

// Collection is one page of a list.
type Collection[R any] struct {
	Items []R `json:"items" nullable:"false" doc:"The objects of this page"`
	// NextCursor is "" on the last page.
	NextCursor string `json:"next_cursor,omitempty" doc:"What to send as cursor to get the next page; absent on the last one"`

	links links
	total int
}

// links are addresses of pages, relative to the issuer; "" for what there is none.
type links struct{ self, first, next, last string }

// Paginate reads the page that is asked for. InvalidRequest: the cursor is not one
// for this list, with these filters, of this tenant.
func Paginate[T, R any](ctx context.Context, p Page, s Source[T], show func(T) R) (*List[R], error) {
	c := callFrom(ctx)
	at, err := c.place(p.Cursor)
	if err != nil {
		return nil, err
	}
	items, more, err := s.read(ctx, at, max(p.Limit, 1))
	if err != nil {
		return nil, err
	}
	out := &List[R]{Body: Collection[R]{Items: make([]R, 0, len(items))}}
	for _, item := range items {
		out.Body.Items = append(out.Body.Items, show(item))
	}
	if more {
		out.Body.NextCursor = c.cursor(place{after: s.ID(items[len(items)-1])})
	}
	out.Body.links = c.links(p, out.Body.NextCursor)
	out.Link = out.Body.links.header()
	if c.media == mediaLD {
		out.Body.total, err = s.Count(ctx)
	}
	return out, err
}

// place is where a cursor leads.
func (c *call) place(cursor string) (place, error) {
	if cursor == "" {
		return place{}, nil
	}
	at, err := openCursor(c.api.cursors, c.listScope(), cursor)
	if err != nil {
		return place{}, badRequest("The cursor is not one of this list with these filters.",
			Field{Field: "cursor", In: "query", Detail: "Send one from an earlier answer, with the same filters, or none."})
	}
	return at, nil
}

func (c *call) cursor(p place) string { return sealCursor(c.api.cursors[0], c.listScope(), p) }

// read reads a page, and whether there is another after it.
func (s Source[T]) read(ctx context.Context, at place, limit int) (items []T, more bool, err error) {
	if at.last {
		items, err = s.tail(ctx, limit)
		return items, false, err
	}
	items, err = s.Page(ctx, at.after, limit+1)
	if len(items) > limit {
		return items[:limit], true, err
	}
	return items, false, err
}

// tail walks to the end and returns the last objects. It costs as much as there
// are: only the link to the last page leads here.
func (s Source[T]) tail(ctx context.Context, limit int) ([]T, error) {
	var last []T
	after := ""
	for {
		step, err := s.Page(ctx, after, walkStep)
		if err != nil {
			return nil, err
		}
		last = append(last, step...)
		last = append([]T(nil), last[max(0, len(last)-limit):]...)
		if len(step) < walkStep {
			return last, nil
		}
		after = s.ID(step[len(step)-1])
	}
}

// links are the pages that can be reached from this one.
func (c *call) links(p Page, next string) links {
	base := c.filters()
	if c.query.Has("limit") {
		base.Set("limit", strconv.Itoa(p.Limit))
	}
	page := func(cursor string) string {
		base.Del("cursor")
		if cursor != "" {
			base.Set("cursor", cursor)
		}
		if q := base.Encode(); q != "" {
			return c.path + "?" + q
		}
		return c.path
	}
	l := links{self: page(p.Cursor), first: page(""), last: page(c.cursor(place{last: true}))}
	if next != "" {
		l.next = page(next)
	}
	return l
}

// header is the links as RFC 8288 writes them.
func (l links) header() string {
	var parts []string
	for _, link := range []struct{ rel, to string }{{"first", l.first}, {"next", l.next}, {"last", l.last}} {
		if link.to != "" {
			parts = append(parts, "<"+link.to+`>; rel="`+link.rel+`"`)
		}
	}
	return strings.Join(parts, ", ")
}
