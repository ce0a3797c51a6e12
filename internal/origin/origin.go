package origin

import "context"

// Origin is where a request came from. The zero value is the server itself.
type Origin struct {
	RequestID string // shown to people as the reference of an error
	IP        string // after trusted proxies, never a header's word alone
	UserAgent string // cut to 256 bytes, control characters removed
}

type key struct{}

// With returns a context that carries o.
func With(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, key{}, o)
}

// From returns the origin that the context carries, or the zero value.
func From(ctx context.Context) Origin {
	o, _ := ctx.Value(key{}).(Origin)
	return o
}
