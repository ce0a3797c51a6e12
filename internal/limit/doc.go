// Package limit counts how often a key is used, and says when that is too often: the
// generic cell rate algorithm (GCRA) of throttled/v2, with its numbers in this
// node's memory, or in a Redis that all nodes share.
//
// It owns the numbers ([Cells]), the rates ([Rate]), what happens when Redis is away,
// and the headers that tell a caller (draft-ietf-httpapi-ratelimit-headers). It does
// not own who is limited and how, and writes no answer: that is done where the
// request is (RL-01).
//
// # Redis
//
// With Redis, all nodes count in one place, and the numbers survive a restart of
// Watchgate. Each node counts what it lets through in its memory too, at the same
// rate, and for two reasons. Who is over the rate at one node alone is refused
// without a question to Redis; so is who was told by it to wait, until then: a flood
// does not reach it. And when Redis is lost, the node goes on with its own numbers at once: n nodes then let through n
// times the rate at most, and nobody gets a fresh quota by that (RL-09).
//
// Redis is lost when it has not answered in [Timeout], or answered with an error. It
// is asked again every [Pause], by one call at a time.
package limit
