package orgapi

import (
	"context"

	"github.com/watchgate/watchgate/internal/manage"
)

// short is a list that is read as a whole: a tenant has few of these.
func short[T any](all func(ctx context.Context) ([]T, error), id func(T) string) manage.Source[T] {
	return manage.Source[T]{
		Page: func(ctx context.Context, after string, limit int) ([]T, error) {
			items, err := all(ctx)
			if err != nil {
				return nil, refusal(err)
			}
			return from(items, after, limit, id), nil
		},
		ID: id,
		Count: func(ctx context.Context) (int, error) {
			items, err := all(ctx)
			return len(items), refusal(err)
		},
	}
}

// from are at most limit of the items, which are in the order of their ids, after one.
func from[T any](items []T, after string, limit int, id func(T) string) []T {
	for len(items) > 0 && id(items[0]) <= after {
		items = items[1:]
	}
	return items[:min(limit, len(items))]
}

// counted walks through pages, each from the last of the page before.
func counted[T any](page func(after string) ([]T, error), id func(T) string) (int, error) {
	n, after := 0, ""
	for {
		items, err := page(after)
		if err != nil {
			return 0, refusal(err)
		}
		n += len(items)
		if len(items) < countStep {
			return n, nil
		}
		after = id(items[len(items)-1])
	}
}

// countStep is how many are read at once for counting.
const countStep = 1000
