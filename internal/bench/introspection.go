package main

import (
	"context"
	"net/url"

	"github.com/watchgate/watchgate/internal/process"
)

// warmTokens are asked about in turns where a cache answers.
const warmTokens = 10_000

// questions are introspection requests about tokens for the tenant's calls.
func (s *site) questions(tokens []string) [][]byte {
	requests := make([][]byte, len(tokens))
	for i, t := range tokens {
		requests[i] = s.question(t)
	}
	return requests
}

func (s *site) question(token string) []byte {
	return post(s.deployment.Issuer, "/oauth2/introspect", s.api, url.Values{"token": {token}, "tenant": {"acme"}})
}

// answerTo is the node's answer to a question, which has to be 200.
func answerTo(n *process.Node, question []byte) (string, error) {
	w, err := dial(n.URL)
	if err != nil {
		return "", err
	}
	defer w.conn.Close()
	status, body, err := w.do(question)
	return string(body), expect("introspect", status, body, err)
}

// gogcMetric is how much the heap grows between two collections, in percent.
const gogcMetric = "go_gc_gogc_percent"

// measureIntrospection compares introspection from memory, the same with a log line
// for each call, and without memory, with a handler that asks nobody. All have
// client authentication, metrics, limits and the log of refusals on, as is the
// default.
func measureIntrospection(ctx context.Context, b *bench) error {
	tokens, err := b.site.settle(ctx, settlement{tokens: warmTokens, people: warmTokens, keep: 1})
	if err != nil {
		return err
	}
	requests := b.site.questions(tokens)
	answer, err := answerTo(b.site.node, requests[0])
	if err != nil {
		return err
	}
	gogc, err := metric(ctx, b.site.node.OperatorURL, gogcMetric)
	if err != nil {
		return err
	}
	bare, err := startBare(ctx, answer, gogc)
	if err != nil {
		return err
	}
	defer bare.stop()
	logged, err := b.site.join(ctx, "logged", "introspection: {log_each: true}")
	if err != nil {
		return err
	}
	defer logged.Stop()
	cold, err := b.site.join(ctx, "cold", forgetful)
	if err != nil {
		return err
	}
	defer cold.Stop()
	return b.raceIntrospection(ctx, requests, bare, b.site.node, logged, cold)
}

func (b *bench) raceIntrospection(ctx context.Context, requests [][]byte, bare *bareServer, nodes ...*process.Node) error {
	base, err := newSide(ctx, bare.url, bare.pid(), requests)
	if err != nil {
		return err
	}
	sides := []*side{base}
	for _, n := range nodes {
		s, err := newSide(ctx, n.URL, n.PID(), requests)
		if err != nil {
			return err
		}
		sides = append(sides, s)
	}
	if err := race(ctx, raceRounds, sides...); err != nil {
		return err
	}
	warm, logged, cold := sides[1], sides[2], sides[3]
	const handler = "bare net/http handler, same form, same bytes"
	b.figures.compare("introspections, cache warm", "1/s", warm, base, lap.rate, handler, "ratio >= 0.80")
	b.figures.compare("introspections, cache warm: processor time of the server", "us", warm, base, lap.cost, handler, "ratio <= 1.30")
	b.figures.compare("introspections, cache warm, a log line each", "1/s", logged, base, lap.rate, handler, "")
	b.figures.compare("introspections without a cache", "1/s", cold, base, lap.rate, handler, "ratio >= 0.15")
	return nil
}
