package directory

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

// CreateResourceServer registers an API that may introspect; rs.ID may be
// empty, then one is made, and rs.TenantID may be a slug. Its secret is generated
// and returned once. A problem: a rule of registration is broken.
func (d *Directory) CreateResourceServer(ctx context.Context, rs storage.ResourceServer) (NewSecret, error) {
	now := d.cfg.Now()
	if rs.ID == "" {
		rs.ID = storage.NewResourceServerID(now)
	}
	if err := d.checkResourceServer(ctx, &rs); err != nil {
		return NewSecret{}, err
	}
	out := NewSecret{ID: string(rs.ID), Secret: token.NewSecret()}
	rs.CreatedAt, rs.Version = now, 1
	rs.Secrets = []storage.Secret{token.Seal(out.Secret, now, time.Time{})}
	err := d.cfg.Store.CreateResourceServer(ctx, rs, audit.ResourceServerCreated(ctx, now, rs))
	return out, explain(err, fmt.Sprintf("resource server %q", rs.ID))
}

// RotateResourceServerSecret is RotateClientSecret for resource servers.
func (d *Directory) RotateResourceServerSecret(ctx context.Context, id storage.ResourceServerID, overlap time.Duration) (NewSecret, error) {
	rs, err := d.resourceServer(ctx, id)
	if err != nil {
		return NewSecret{}, err
	}
	now, out := d.cfg.Now(), NewSecret{ID: string(id), Secret: token.NewSecret()}
	rs.Secrets = rotated(rs.Secrets, out.Secret, now, overlap)
	return out, d.updateResourceServer(ctx, rs, audit.ResourceServerSecretRotated(ctx, now, rs))
}

// SetResourceServerEnabled takes the right to ask away, or gives it back.
func (d *Directory) SetResourceServerEnabled(ctx context.Context, id storage.ResourceServerID, enabled bool) error {
	rs, err := d.resourceServer(ctx, id)
	if err != nil {
		return err
	}
	now := d.cfg.Now()
	if enabled {
		rs.DisabledAt = time.Time{}
		return d.updateResourceServer(ctx, rs, audit.ResourceServerEnabled(ctx, now, rs))
	}
	rs.DisabledAt = now
	return d.updateResourceServer(ctx, rs, audit.ResourceServerDisabled(ctx, now, rs))
}

// ResourceServers lists all, in the order of their ids.
func (d *Directory) ResourceServers(ctx context.Context) ([]storage.ResourceServer, error) {
	all, err := d.cfg.Store.ListResourceServers(ctx)
	return all, explain(err, "list of resource servers")
}

func (d *Directory) resourceServer(ctx context.Context, id storage.ResourceServerID) (storage.ResourceServer, error) {
	rs, err := d.cfg.Store.ResourceServer(ctx, id)
	return rs, explain(err, fmt.Sprintf("resource server %q", id))
}

func (d *Directory) updateResourceServer(ctx context.Context, rs storage.ResourceServer, ev storage.Event) error {
	return explain(d.cfg.Store.UpdateResourceServer(ctx, rs, ev), fmt.Sprintf("resource server %q", rs.ID))
}

// checkResourceServer collects everything that is wrong with a registration, and
// turns the slug of a tenant into its id.
func (d *Directory) checkResourceServer(ctx context.Context, rs *storage.ResourceServer) error {
	p := &Problem{}
	if err := d.nameTenant(ctx, p, &rs.TenantID); err != nil {
		return err
	}
	if !clientID.MatchString(string(rs.ID)) {
		p.add("the id %q must be 1 to 100 of A-Z a-z 0-9 . _ -", rs.ID)
	}
	checkName(p, rs.Name)
	// RFC 8707 section 2: an absolute URI without fragment.
	if u, err := url.Parse(rs.Audience); err != nil || !u.IsAbs() || u.Fragment != "" || u.Host == "" {
		p.add("the audience %q must be an absolute URI without a fragment", rs.Audience)
	}
	if len(rs.Scopes) == 0 {
		p.add("name at least one scope that the API offers")
	}
	for _, s := range rs.Scopes {
		if !scopeName.MatchString(s.Name) {
			p.add("the scope %q has characters that RFC 6749 section 3.3 does not allow", s.Name)
		}
		if s.Description == "" {
			p.add("the scope %q needs a sentence: people read it when they consent", s.Name)
		}
	}
	return p.or()
}

// SortedScopes turns a table of scopes and sentences into scopes in the order
// of their names. Those that are named in sensitive carry a warning on the
// consent page.
func SortedScopes(sentences map[string]string, sensitive ...string) []storage.Scope {
	out := make([]storage.Scope, 0, len(sentences))
	for _, name := range slices.Sorted(maps.Keys(sentences)) {
		out = append(out, storage.Scope{Name: name, Description: sentences[name], Sensitive: slices.Contains(sensitive, name)})
	}
	return out
}
