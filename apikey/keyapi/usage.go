package keyapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

// usageDays is how far back use is kept, and told when nobody says since when.
const usageDays = 90

// day is how a day is written.
const day = time.DateOnly

type usageInput struct {
	KeyPath
	Since string `query:"since" format:"date" example:"2026-08-01" doc:"The first day, in UTC; absent: as far back as it is kept, 90 days."`
}

type usageOutput struct {
	Body Usage
}

// Usage is how a key was used.
type Usage struct {
	ID         string     `json:"id" doc:"The key."`
	Since      string     `json:"since" format:"date" doc:"The first day of what is counted, in UTC."`
	LastUsedAt *time.Time `json:"last_used_at" nullable:"true" doc:"When it was last used, late by up to a minute; null: never."`
	Calls      int64      `json:"calls" doc:"Calls that were answered active."`
	Refused    int64      `json:"refused" doc:"Calls that were refused."`

	Addresses []UsedCount  `json:"addresses" nullable:"false" doc:"From where it was used, as resource servers told, the most recent first."`
	Scopes    []UsedCount  `json:"scopes" nullable:"false" doc:"For what it was used, the most recent first."`
	Refusals  []UsedCount  `json:"refusals" nullable:"false" doc:"Refused calls by reason, the most recent first."`
	Days      []UsedOnADay `json:"days" nullable:"false" doc:"Each day on which it was presented, the last first."`
}

// UsedCount is how often a key was used with one address, for one scope, or was
// refused for one reason.
type UsedCount struct {
	What   string    `json:"what" example:"192.0.2.7" doc:"The address, the scope, or the reason."`
	Calls  int64     `json:"calls" doc:"How often."`
	LastAt time.Time `json:"last_at" doc:"When the last time was."`
}

// UsedOnADay is how often a key was used on one day.
type UsedOnADay struct {
	Day     string `json:"day" format:"date" example:"2026-08-01" doc:"The day, in UTC."`
	Calls   int64  `json:"calls" doc:"Calls that were answered active."`
	Refused int64  `json:"refused" doc:"Calls that were refused."`
}

func (a *API) usage(ctx context.Context, in *usageInput) (*usageOutput, error) {
	since, err := a.since(in.Since)
	if err != nil {
		return nil, err
	}
	who := actor(ctx)
	k, err := a.cfg.Keys.Get(ctx, who, in.key())
	if err != nil {
		return nil, refusal(err)
	}
	uses, err := a.cfg.Keys.Usage(ctx, who, in.key(), since)
	if err != nil {
		return nil, refusal(err)
	}
	out := usageOf(uses)
	out.ID, out.Since, out.LastUsedAt = in.ID, since.Format(day), moment(k.LastUsedAt)
	return &usageOutput{Body: out}, nil
}

// since is the first day that is asked for.
func (a *API) since(s string) (time.Time, error) {
	if s == "" {
		return a.cfg.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -usageDays), nil
	}
	t, err := time.Parse(day, s)
	if err != nil {
		return time.Time{}, manage.Refuse(manage.Invalid, "", manage.Field{Field: "since", In: "query", Detail: "This is not a day: write 2026-08-01."})
	}
	return t, nil
}

// usageOf adds up what is stored by day, refusal, address, scope and resource server.
func usageOf(uses []storage.KeyUse) Usage {
	var out Usage
	addresses, scopes, refusals, days := tally{}, tally{}, tally{}, map[string]UsedOnADay{}
	for _, u := range uses {
		d := days[u.Day.UTC().Format(day)]
		if u.Refused == "" {
			out.Calls += u.Calls
			d.Calls += u.Calls
			addresses.add(u.IP, u)
			scopes.add(u.Scope, u)
		} else {
			out.Refused += u.Calls
			d.Refused += u.Calls
			refusals.add(u.Refused, u)
		}
		d.Day = u.Day.UTC().Format(day)
		days[d.Day] = d
	}
	out.Addresses, out.Scopes, out.Refusals, out.Days = addresses.list(), scopes.list(), refusals.list(), []UsedOnADay{}
	for _, d := range days {
		out.Days = append(out.Days, d)
	}
	slices.SortFunc(out.Days, func(a, b UsedOnADay) int { return cmp.Compare(b.Day, a.Day) })
	return out
}

// tally counts calls by something.
type tally map[string]UsedCount

// add counts a use; what was not told is not counted.
func (t tally) add(what string, u storage.KeyUse) {
	if what == "" {
		return
	}
	c := t[what]
	c.What, c.Calls = what, c.Calls+u.Calls
	if u.LastAt.After(c.LastAt) {
		c.LastAt = u.LastAt.UTC()
	}
	t[what] = c
}

// list returns the most recent first.
func (t tally) list() []UsedCount {
	out := make([]UsedCount, 0, len(t))
	for _, c := range t {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b UsedCount) int {
		return cmp.Or(b.LastAt.Compare(a.LastAt), cmp.Compare(a.What, b.What))
	})
	return out
}
