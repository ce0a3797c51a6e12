package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// maxHandles is how many sessions of one browser are looked at: one for each
// tenant that the person is signed in to.
const maxHandles = 16

// liveSessions finds sessions by n handles, with the remembered consent for a
// client, redirect host and resource. There are few texts, each prepared once.
func liveSessions(n int) string {
	marks := make([]string, n)
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+4)
	}
	return "SELECT " + from("s", sessionColumns) + ", " + from("t", tenantColumns) + ", " + from("u", userColumns) +
		", n.disabled_at, " + from("o", consentColumns) + ` FROM sessions s
		JOIN tenants t ON t.id = s.tenant_id
		JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
		JOIN connections n ON n.tenant_id = s.tenant_id AND n.id = s.connection_id
		LEFT JOIN consents o ON o.tenant_id = s.tenant_id AND o.user_id = s.user_id
			AND o.client_id = $1 AND o.redirect_host = $2 AND o.resource = $3
		WHERE s.handle IN (` + strings.Join(marks, ", ") + ") ORDER BY s.id"
}

var liveSessionsBy = map[int]string{1: liveSessions(1), 4: liveSessions(4), maxHandles: liveSessions(maxHandles)}

const clientForView = "SELECT " + clientColumns + " FROM clients WHERE id = $1"

// sessionsQuery asks for the sessions of at most maxHandles handles; more are
// not looked at. A list is filled up by repeating its last.
func sessionsQuery(client storage.ClientID, host, resource string, handles [][]byte, out *[]storage.LiveSession) query {
	n := 1
	for n < min(len(handles), maxHandles) {
		n *= 4
	}
	args := []any{string(client), host, resource}
	for i := range n {
		args = append(args, handles[min(i, len(handles)-1)])
	}
	return query{sql: liveSessionsBy[n], args: args, scan: func(r row) error {
		var s storage.LiveSession
		var o storage.Consent
		err := r.Scan(slices.Concat(sessionFields(&s.Session), tenantFields(&s.Tenant), userFields(&s.UserInfo),
			[]any{at(&s.ConnectionDisabledAt)}, consentFields(&o))...)
		if o.Client != "" {
			s.Consent = &o
		}
		*out = append(*out, s)
		return err
	}}
}

// arrivalView begins with a row that is always there, as the lookups of tokens do.
var arrivalView = "SELECT " + from("c", clientColumns) + ", " + from("u", userColumns) + ", " + from("k", consentColumns) + ` FROM (SELECT 1 AS one) o
	LEFT JOIN clients c ON c.id = $1
	LEFT JOIN identities i ON i.tenant_id = $2 AND i.connection_id = $3 AND i.issuer = $4 AND i.subject = $5
	LEFT JOIN users u ON u.tenant_id = $2 AND u.id = i.user_id
	LEFT JOIN consents k ON k.tenant_id = $2 AND k.user_id = i.user_id AND k.client_id = $1 AND k.redirect_host = $6 AND k.resource = $7`

// ArrivalView implements storage.SessionLookups.
func (s *Store) ArrivalView(ctx context.Context, at storage.ArrivalPoint) (storage.Client, storage.User, *storage.Consent, error) {
	var (
		c storage.Client
		u storage.User
		k storage.Consent
	)
	fields := slices.Concat(clientFields(&c), userFields(&u), consentFields(&k))
	err := find(ctx, s.engine, scope{what: "arrival", lookup: true}, arrivalView, fields, string(at.Client), string(at.Tenant),
		string(at.Identity.Connection), at.Identity.Issuer, at.Identity.Subject, at.RedirectHost, at.Resource)
	switch {
	case err != nil:
		return c, u, nil, err
	case c.ID == "":
		return c, u, nil, wrap("client", storage.ErrNotFound)
	case k.Client == "":
		return c, u, nil, nil
	}
	return c, u, &k, nil
}

// SessionsByHandle implements storage.SessionLookups. Handles after the
// sixteenth are not looked at.
func (s *Store) SessionsByHandle(ctx context.Context, handles [][]byte) ([]storage.LiveSession, error) {
	if len(handles) == 0 {
		return nil, nil
	}
	var out []storage.LiveSession
	err := s.engine.read(ctx, scope{what: "sessions", lookup: true}, sessionsQuery("", "", "", handles, &out))
	return out, err
}

// AuthorizeView implements storage.SessionLookups. Handles after the sixteenth
// are not looked at.
func (s *Store) AuthorizeView(ctx context.Context, client storage.ClientID, redirectHost, resource string, handles [][]byte) (storage.Client, []storage.LiveSession, error) {
	var (
		c   storage.Client
		out []storage.LiveSession
	)
	queries := []query{{sql: clientForView, args: []any{string(client)}, scan: func(r row) error {
		return r.Scan(clientFields(&c)...)
	}}}
	if len(handles) > 0 {
		queries = append(queries, sessionsQuery(client, redirectHost, resource, handles, &out))
	}
	if err := s.engine.read(ctx, scope{what: "client", lookup: true}, queries...); err != nil {
		return c, nil, err
	}
	if c.ID == "" {
		return c, nil, wrap("client", storage.ErrNotFound)
	}
	return c, out, nil
}
