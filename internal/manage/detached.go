package manage

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// workTimeout is how long an operation that changes something may take, with finding
// out whether it was answered before. With noteTimeout it is well below answerLease,
// so that nobody is told to begin anew while it goes on, and it is below the edge's
// limit of an answer, so that who still waits is told.
const workTimeout = 20 * time.Second

// changes reports whether an operation may change something. Streams do not.
func (op Operation) changes() bool {
	return op.Method != http.MethodGet && op.Method != http.MethodHead
}

// detached is the request of an operation that changes something, on a context that
// outlives the connection: a store whose caller has gone says so of a write that it
// makes nevertheless, and then nobody would have the key that was made.
func (rt *route) detached(r *http.Request) (*http.Request, context.CancelFunc) {
	if !rt.op.changes() {
		return r, func() {}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), workTimeout)
	return r.WithContext(ctx), cancel
}

// changedNothing reports whether a failure is a refusal of ours, which are decided
// before anything is written. Of any other failure it is not known what became of
// the request.
func changedNothing(failure error) bool {
	var p *Problem
	return errors.As(failure, &p) && p.Kind.Status() < http.StatusInternalServerError
}
