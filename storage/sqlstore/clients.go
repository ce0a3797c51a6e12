package sqlstore

import (
	"context"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// ownerColumn is the place of owner_tenant, which no update changes.
const ownerColumn = 1

var clientUpdated = strings.Replace(clientColumns, "owner_tenant, ", "", 1)

var (
	insertClient         = some(insert("clients", clientColumns))
	updateClient         = counting(update("clients", clientUpdated, 1), clientUpdated)
	insertResourceServer = some(insert("resource_servers", resourceServerColumns))
	updateResourceServer = update("resource_servers", resourceServerColumns, 1)
)

const (
	clientByID          = "SELECT " + clientColumns + " FROM clients WHERE id = $1"
	listClients         = "SELECT " + clientColumns + " FROM clients ORDER BY id"
	resourceServerByID  = "SELECT " + resourceServerColumns + " FROM resource_servers WHERE id = $1"
	listResourceServers = "SELECT " + resourceServerColumns + " FROM resource_servers ORDER BY id"
)

// CreateClient implements storage.Clients.
func (s *Store) CreateClient(ctx context.Context, c storage.Client, ev storage.Event) error {
	u := platformUnit("client "+string(c.ID), ev)
	u.do(insertClient, clientArgs(c)...)
	u.platformEvent(ev)
	return write(ctx, s.engine, u)
}

// UpdateClient implements storage.Clients.
func (s *Store) UpdateClient(ctx context.Context, c storage.Client, ev storage.Event) error {
	u := platformUnit("client "+string(c.ID), ev)
	u.must(storage.ErrConflict, updateClient, slices.Delete(clientArgs(c), ownerColumn, ownerColumn+1)...)
	u.change(storage.ChangeClient, "", string(c.ID))
	u.otherwise = &query{sql: clientByID, args: []any{string(c.ID)}}
	u.platformEvent(ev)
	return write(ctx, s.engine, u)
}

// Client implements storage.ClientReader.
func (s *Store) Client(ctx context.Context, id storage.ClientID) (storage.Client, error) {
	var c storage.Client
	err := find(ctx, s.engine, scope{what: "client"}, clientByID, clientFields(&c), string(id))
	return c, err
}

// ListClients implements storage.ClientReader.
func (s *Store) ListClients(ctx context.Context) ([]storage.Client, error) {
	return list(ctx, s.engine, scope{what: "clients"}, listClients, clientFields)
}

// CreateResourceServer implements storage.ResourceServers.
func (s *Store) CreateResourceServer(ctx context.Context, rs storage.ResourceServer, ev storage.Event) error {
	u := platformUnit("resource server "+string(rs.ID), ev)
	u.do(insertResourceServer, resourceServerArgs(rs)...)
	u.platformEvent(ev)
	return write(ctx, s.engine, u)
}

// UpdateResourceServer implements storage.ResourceServers.
func (s *Store) UpdateResourceServer(ctx context.Context, rs storage.ResourceServer, ev storage.Event) error {
	u := platformUnit("resource server "+string(rs.ID), ev)
	u.must(storage.ErrConflict, updateResourceServer, resourceServerArgs(rs)...)
	u.change(storage.ChangeResourceServer, "", string(rs.ID))
	u.otherwise = &query{sql: resourceServerByID, args: []any{string(rs.ID)}}
	u.platformEvent(ev)
	return write(ctx, s.engine, u)
}

// ResourceServer implements storage.ResourceServerReader.
func (s *Store) ResourceServer(ctx context.Context, id storage.ResourceServerID) (storage.ResourceServer, error) {
	var r storage.ResourceServer
	err := find(ctx, s.engine, scope{what: "resource server"}, resourceServerByID, resourceServerFields(&r), string(id))
	return r, err
}

// ListResourceServers implements storage.ResourceServerReader.
func (s *Store) ListResourceServers(ctx context.Context) ([]storage.ResourceServer, error) {
	return list(ctx, s.engine, scope{what: "resource servers"}, listResourceServers, resourceServerFields)
}
