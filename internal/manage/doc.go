// Package manage is the frame of the management API at /v1: what every operation
// has in common, so that an operation is a typed function and nothing else.
//
// It owns the way of a request (see [API]): one credential in one place, who it
// stands for, the scopes that the operation needs, strict input, the negotiated
// form of the answer (JSON or JSON-LD with the Hydra vocabulary), answers that can
// be asked for again (Idempotency-Key), pages with cursors, versions (ETag and
// If-Match), streams of server-sent events, and problems (RFC 9457). It writes the
// OpenAPI 3.1 document from the operations, and the page that shows it.
//
// It runs inside an edge (package internal/web), whose limits, headers, log line
// and metrics hold here as everywhere. Operations are described with huma's struct
// tags; huma's own routes, documents and errors are not used.
//
// It does not know what the operations do (package apikey/keyapi), which
// credentials are live (the program wires an [Authenticator]), or how a page looks
// (package templates).
package manage
