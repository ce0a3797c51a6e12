package storage

import (
	"context"
	"time"
)

// Event is one line of the audit trail. Package audit has a constructor for
// each kind; nothing else makes one. Events are never changed or deleted by the
// server (on PostgreSQL it holds no such grant).
type Event struct {
	ID     EventID
	Tenant TenantID // "" for the platform's own; a tenant handle sets its own
	Time   time.Time
	Kind   string // dotted, past tense: "token.issued"
	// Outcome is "success" or "refused"; Reason is a short stable code.
	Outcome, Reason string

	// Who did it, and to what. Each may be empty.
	ActorKind, ActorID string // "user", "client", "operator", "system"
	User               UserID
	Client             ClientID
	Session            SessionID
	Grant              GrantID
	Connection         ConnectionID
	Object             string // the id of anything else

	// Where the request came from.
	IP, UserAgent, RequestID string

	// Details are few, short and no secrets.
	Details map[string]string
}

// AuditLog keeps the trail of one tenant.
type AuditLog interface {
	// AppendEvent records something that changed nothing else: a refusal.
	AppendEvent(ctx context.Context, ev Event) error
	// Events returns up to limit events, newest first, older than before when
	// before is not "".
	Events(ctx context.Context, before EventID, limit int) ([]Event, error)
}

// PlatformLog keeps the trail of what belongs to no tenant.
type PlatformLog interface {
	// AppendPlatformEvent records a refusal before any tenant is known.
	AppendPlatformEvent(ctx context.Context, ev Event) error
	// PlatformEvents is Events for the platform's own trail.
	PlatformEvents(ctx context.Context, before EventID, limit int) ([]Event, error)
}
