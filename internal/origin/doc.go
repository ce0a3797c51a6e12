// Package origin carries through a context where a request came from: its id,
// the client's address and user agent. Package web puts it there; package audit
// and the log read it. It owns nothing else.
package origin
