package mail

import (
	"context"
	"errors"

	"github.com/watchgate/watchgate/storage"
)

// Queuer is the part of [Post] that tells people what has happened.
type Queuer interface {
	// Queue is that of Post.
	Queue(ctx context.Context, t storage.TenantID, m Message) error
}

// Tell queues a mail about something that has happened whether or not its person can be
// told: somebody of whom no provider said an address, or who has one that is none, is
// not, and that is no error. It returns the other errors of Queue.
func Tell(ctx context.Context, to Queuer, t storage.TenantID, m Message) error {
	if m.To == "" {
		return nil
	}
	err := to.Queue(ctx, t, m)
	if errors.Is(err, ErrAddress) {
		return nil
	}
	return err
}
