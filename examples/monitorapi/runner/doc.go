// Package runner is a check runner that works with an API key, and stops within a
// second when the key dies.
//
// It registers what it does as an execution of its key, listens to the key's events
// (server-sent events, GET /v1/auth/keys/{id}/events) and calls the monitoring API in
// an interval. When the key gets a successor, it fetches it with the old key and goes
// on with it. While nobody can tell it how its key is, it makes no checks.
//
// It knows Watchgate and the monitoring API by HTTP alone, and imports nothing of
// either: it is what somebody else would write.
package runner
