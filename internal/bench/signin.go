package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// measureSignIn measures whole sign-ins through an identity provider, suspending a
// tenant, and telling apps of a sign-out.
func measureSignIn(ctx context.Context, b *bench) error {
	var failed error
	for _, part := range []func(context.Context, *bench) error{measureFederated, measureSuspension, measureSigningOut} {
		if err := part(ctx, b); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// measureFederated counts what a sign-in of somebody who is signed in nowhere costs:
// authorize, the provider, callback, code, tokens. The app gives the address as
// login_hint and the person has approved the app before, so no page is in between.
func measureFederated(ctx context.Context, b *bench) error {
	p, err := b.site.connectStubs(ctx)
	if err != nil {
		return err
	}
	defer p.close()
	visitors, err := b.site.visitors(ctx, p)
	if err != nil {
		return err
	}
	defer func() {
		for _, v := range visitors {
			v.provider.conn.Close()
		}
	}()
	a, err := b.site.signIn(ctx)
	if err != nil {
		return err
	}
	if err := b.countFederated(ctx, a, visitors[0]); err != nil {
		return err
	}
	return b.rateFederated(ctx, a, visitors)
}

// rateFederated compares sign-ins with the code flows of somebody who is signed in.
func (b *bench) rateFederated(ctx context.Context, a *app, visitors []*visitor) error {
	base, err := load(ctx, b.site.node.URL, func(_ int, w *wire) error {
		_, err := a.flow(w)
		return err
	})
	if err != nil {
		return err
	}
	rate, err := load(ctx, b.site.node.URL, func(worker int, w *wire) error {
		_, err := visitors[worker].signIn(w)
		return err
	})
	b.figures.add("federated sign-ins on PostgreSQL", rate, "1/s", base, signedInAlready, "")
	return err
}

// signedInAlready is the baseline of a sign-in: what is left of it without the provider.
const signedInAlready = "a code flow of somebody who is signed in"

// countFederated counts what one sign-in asks of the database, and one code flow.
func (b *bench) countFederated(ctx context.Context, a *app, v *visitor) error {
	w, err := dial(b.site.node.URL)
	if err != nil {
		return err
	}
	defer w.conn.Close()
	base, err := b.costOf(ctx, func() error {
		_, err := a.flow(w)
		return err
	})
	if err != nil {
		return err
	}
	whole, err := b.costOf(ctx, func() error {
		_, err := v.signIn(w)
		return err
	})
	if err != nil {
		return err
	}
	const one = "per sign-in"
	b.figures.add("federated sign-in: statements", whole.statements, one, base.statements, signedInAlready, "<= 12 statements")
	b.figures.add("federated sign-in: statements at the server", whole.served, one, base.served, signedInAlready, "")
	b.figures.add("federated sign-in: round trips", whole.trips, one, base.trips, signedInAlready, "")
	return nil
}

// cost is what something asks of the database: by the node's metrics, and the statements
// by the database's own count, too.
type cost struct{ statements, trips, served float64 }

// costOf does something repeat times. The medians leave out what the node does by itself
// now and then.
func (b *bench) costOf(ctx context.Context, do func() error) (cost, error) {
	var statements, trips, served []float64
	for range repeat {
		before, err := b.spent(ctx)
		if err != nil {
			return cost{}, err
		}
		if err := do(); err != nil {
			return cost{}, err
		}
		after, err := b.spent(ctx)
		if err != nil {
			return cost{}, err
		}
		statements = append(statements, after.statements-before.statements)
		trips, served = append(trips, after.trips-before.trips), append(served, after.served-before.served)
	}
	return cost{median(statements), median(trips), median(served)}, nil
}

// spent is what the node has asked since it began.
func (b *bench) spent(ctx context.Context) (c cost, err error) {
	if c.statements, err = metric(ctx, b.site.node.OperatorURL, "watchgate_database_statements_total"); err != nil {
		return c, err
	}
	c.trips, c.served, err = b.asked(ctx)
	return c, err
}

// visitor is a person whose browser is new each time that they sign in.
type visitor struct {
	site     *site
	email    string
	provider *wire
	host     string // of the provider
}

// visitors are as many people as there are workers, each with their own browser. They
// have approved the app.
func (s *site) visitors(ctx context.Context, p *stubs) ([]*visitor, error) {
	var all []*visitor
	for i := range workers {
		stub := p.all[i%len(p.all)]
		v := &visitor{site: s, email: fmt.Sprintf("visitor%d@%s", i, stub.domain), host: strings.TrimPrefix(stub.issuer, "http://")}
		if err := s.enter(ctx, walker(), s.web, v.email); err != nil {
			return nil, err
		}
		var err error
		if v.provider, err = dial(stub.issuer); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// maxHops bounds the redirects of a sign-in.
const maxHops = 10

// signIn goes from the app's request to its tokens by way of the provider.
func (v *visitor) signIn(node *wire) (tokens, error) {
	verifier := rand.Text() + rand.Text()
	to, err := url.Parse(v.site.deployment.Issuer + v.site.authorizePath(v.site.web.ID, verifier) + "&login_hint=" + url.QueryEscape(v.email))
	jar := map[string]string{}
	for range maxHops {
		if err != nil {
			return tokens{}, err
		}
		if code := to.Query().Get("code"); code != "" && strings.HasPrefix(to.String(), redirectURI) {
			a := app{site: v.site, client: v.site.web}
			return a.redeem(node, code, verifier)
		}
		to, err = v.hop(node, to, jar)
	}
	return tokens{}, fmt.Errorf("the sign-in of %s got no further than %s", v.email, to)
}

// hop visits a page that sends the browser elsewhere.
func (v *visitor) hop(node *wire, at *url.URL, jar map[string]string) (*url.URL, error) {
	var cookie string
	w := v.provider
	if at.Host != v.host {
		w = node
		for name, value := range jar {
			cookie += "; " + name + "=" + value
		}
	}
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\n", at.RequestURI(), at.Host)
	if cookie != "" {
		request += "Cookie: " + strings.TrimPrefix(cookie, "; ") + "\r\n"
	}
	to, set, err := w.redirected([]byte(request + "\r\n"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at.Path, err)
	}
	for _, c := range set {
		jar[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(jar, c.Name)
		}
	}
	return at.ResolveReference(to), nil
}
