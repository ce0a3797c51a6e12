package sqlstore

import (
	"context"
	"errors"

	"github.com/watchgate/watchgate/storage"
)

var _ storage.Feed = (*Store)(nil)

// fullWait is how long a change waits for a node that says nothing: a lease that
// was extended just before the change was there to be read is over by then.
const fullWait = storage.LeaseFor + storage.LeaseMargin

// errOver is what a membership says after its end.
var errOver = errors.New("the membership is over")

// Join implements storage.Feed.
func (s *Store) Join(ctx context.Context) (storage.Membership, error) { return s.feed.Join(ctx) }

// Waiting returns how many changes were made and wait until every node knows.
func (s *Store) Waiting() int { return s.waiting() }

// change notes that the unit kills or narrows something: it has not succeeded
// before every node knows.
func (u *unit) change(kind storage.ChangeKind, tenant, id string) {
	u.tell(kind, tenant, id)
	u.waits = true
}

// tell notes that the unit changes something for which nobody has to wait.
func (u *unit) tell(kind storage.ChangeKind, tenant, id string) {
	u.changes = append(u.changes, storage.Change{Kind: kind, Tenant: storage.TenantID(tenant), ID: id})
}
