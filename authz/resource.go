package authz

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// maxResources is how many resources one request may name.
const maxResources = 8

// resources is the list of resource servers that are not disabled. What the
// remembered list does not have is looked for in a fresh one; a resource server
// that was disabled since can no longer ask about the tokens that it gets.
type resources struct {
	list    func(context.Context) ([]storage.ResourceServer, error)
	servers *memory[struct{}, []storage.ResourceServer]
}

// all returns the list, read at most resourcesLife ago, or afresh.
func (c *resources) all(ctx context.Context, now time.Time, afresh bool) ([]storage.ResourceServer, error) {
	if known, ok := c.servers.get(struct{}{}, now); ok && !afresh {
		return known, nil
	}
	servers, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	servers = slices.DeleteFunc(servers, func(rs storage.ResourceServer) bool { return !rs.DisabledAt.IsZero() })
	c.servers.put(struct{}{}, servers, now)
	return servers, nil
}

// resourcesRest is how long a list that was read afresh is not read again:
// strangers may name resources that do not exist, all day.
const resourcesRest = time.Second

// errInvalidTarget is RFC 8707 section 2's.
var errInvalidTarget = errors.New("authz: no such resource")

// audiences returns the registered spelling of each requested resource, sorted,
// each once. errInvalidTarget: one is not registered.
func (c *resources) audiences(ctx context.Context, requested []string, now time.Time) ([]string, error) {
	if len(requested) == 0 {
		return nil, nil
	}
	for _, afresh := range []bool{false, true} {
		if _, young := c.servers.within(struct{}{}, resourcesRest, now); afresh && young {
			break
		}
		servers, err := c.all(ctx, now, afresh)
		if err != nil {
			return nil, err
		}
		if found, ok := spell(requested, servers); ok {
			return found, nil
		}
	}
	return nil, errInvalidTarget
}

func spell(requested []string, servers []storage.ResourceServer) ([]string, bool) {
	if len(requested) > maxResources {
		return nil, false
	}
	var out []string
	for _, r := range requested {
		i := slices.IndexFunc(servers, func(rs storage.ResourceServer) bool { return sameResource(rs.Audience, r) })
		if i < 0 {
			return nil, false
		}
		out = append(out, servers[i].Audience)
	}
	slices.Sort(out)
	return slices.Compact(out), true
}

// sameResource compares resource identifiers as AZ-19 says: absolute, no
// fragment, scheme and host in any case, one trailing slash more or less.
func sameResource(a, b string) bool {
	ca, okA := canonicalResource(a)
	cb, okB := canonicalResource(b)
	return okA && okB && ca == cb
}

func canonicalResource(r string) (string, bool) {
	if r == "" || len(r) > maxURI || strings.Contains(r, "#") || strings.ContainsFunc(r, notURI) {
		return "", false
	}
	u, err := url.Parse(r)
	if err != nil || u.Scheme == "" || u.User != nil {
		return "", false
	}
	scheme, rest, _ := strings.Cut(r, ":")
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		authority, path := cutAuthority(after)
		rest = "//" + strings.ToLower(authority) + path
	}
	return strings.ToLower(scheme) + ":" + strings.TrimSuffix(rest, "/"), true
}

// openTo reports whether every audience is a resource server that takes the
// tenant's tokens (D3).
func (c *resources) openTo(ctx context.Context, tenant storage.TenantID, audiences []string, now time.Time) (bool, error) {
	if len(audiences) == 0 {
		return true, nil
	}
	servers, err := c.all(ctx, now, false)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(audiences, func(a string) bool {
		return !slices.ContainsFunc(servers, func(rs storage.ResourceServer) bool {
			return rs.Audience == a && (rs.TenantID == "" || rs.TenantID == tenant)
		})
	}), nil
}

// narrowed returns which of the granted resources a token request selects: all
// of them, unless it names some (RFC 8707 section 2.2, TK-13, RF-07).
func narrowed(requested, granted []string) ([]string, *web.Error) {
	if len(requested) == 0 {
		return granted, nil
	}
	var out []string
	for _, r := range requested {
		i := slices.IndexFunc(granted, func(g string) bool { return sameResource(g, r) })
		if i < 0 {
			return nil, refusal("invalid_target", "The resource was not granted.")
		}
		out = append(out, granted[i])
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// targetError maps what the list of resources says.
func targetError(err error) *web.Error {
	if errors.Is(err, errInvalidTarget) {
		return refusal("invalid_target", "")
	}
	return web.Unavailable(err)
}
