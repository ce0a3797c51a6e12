package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/watchgate/watchgate/examples/monitorapi"
	"github.com/watchgate/watchgate/idp/devidp"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/introspect/guard"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

type devCmd struct {
	DataDir  string `help:"Where the database and the secret are kept; ./data when absent." default:"./data" type:"path" placeholder:"DIR"`
	PortBase int    `help:"The first port: server N, demo identity provider N+1, demo API N+2, operator N+10; 8080 when absent." default:"8080" placeholder:"N"`
	Product  string `help:"Which product it is: one of ${products}, or a catalogue file; uptimepulse when absent." default:"uptimepulse" placeholder:"NAME|FILE"`
	Passkeys bool   `help:"Call the server http://localhost:N: browsers have passkeys for names only. Give it a --data-dir of its own."`
	LogFile  string `help:"Write the log here; 'watchgate.log' in the data folder when absent." type:"path" placeholder:"FILE"`
}

// devURLs are where the parts of a demonstration are reached.
type devURLs struct{ issuer, idp, api, operator string }

func (c *devCmd) urls() devURLs {
	at := func(offset int) string { return fmt.Sprintf("http://127.0.0.1:%d", c.PortBase+offset) }
	urls := devURLs{issuer: at(0), idp: at(1), api: at(2), operator: at(10)}
	if c.Passkeys {
		urls.issuer = fmt.Sprintf("http://localhost:%d", c.PortBase)
	}
	return urls
}

// Run starts everything on this machine until the program is told to stop. What
// it stores stays in the data folder.
func (c *devCmd) Run(p *program) error {
	if c.PortBase < 1 || c.PortBase > 65525 {
		return fmt.Errorf("--port-base must be from 1 to 65525, not %d", c.PortBase)
	}
	if err := c.setUp(p.ctx); err != nil {
		return err
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	logFile, err := c.openLog()
	if err != nil {
		return err
	}
	defer logFile.Close()
	out := web.NewAsyncWriter(logFile, logBuffer)
	defer out.Close()
	d, err := openDeployment(p.ctx, cfg, newLog(out, cfg.Log.Level))
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.ready(p.ctx); err != nil {
		return err
	}
	demo := demo{d: d, urls: c.urls()}
	if err := demo.seed(p.ctx); err != nil {
		return fmt.Errorf("cannot set up the demonstration: %w", err)
	}
	servers, err := c.servers(p.ctx, demo)
	if err != nil {
		return err
	}
	c.greet(p, logFile.Name())
	return d.run(p.ctx, servers...)
}

// config is the configuration of a demonstration in the data folder.
func (c *devCmd) config() (Config, error) {
	cfg, err := dataDirConfig(c.DataDir)
	if err != nil {
		return cfg, err
	}
	cfg.Issuer = c.urls().issuer
	cfg.mailbox = mail.NewMailbox(keptMails)
	cfg.product, err = namedProduct(c.Product)
	return cfg, err
}

// keptMails is how many of the last mails a demonstration shows at /dev/mail.
const keptMails = 100

func (c *devCmd) openLog() (*os.File, error) {
	name := c.LogFile
	if name == "" {
		name = filepath.Join(c.DataDir, "watchgate.log")
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot write the log: %w", err)
	}
	return f, nil
}

// setUp makes the data folder's secret and brings its schema up to date, while
// nobody else has the folder.
func (c *devCmd) setUp(ctx context.Context) error {
	lock, err := lockFolder(c.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := makeSecret(c.DataDir); err != nil {
		return err
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	return sqlstore.Migrate(ctx, cfg.dsn())
}

// servers opens the four ports of a demonstration.
func (c *devCmd) servers(ctx context.Context, m demo) ([]web.Listening, error) {
	h, err := build(ctx, m.d)
	if err != nil {
		return nil, err
	}
	clients, err := m.providerClients(ctx)
	if err != nil {
		return nil, err
	}
	urls := c.urls()
	provider, err := devidp.New(devidp.Config{Issuer: urls.idp, Clients: clients, Now: now})
	if err != nil {
		return nil, err
	}
	api, err := monitorapi.New(monitorapi.Config{
		Issuer: urls.issuer, BaseURL: urls.api, ClientID: "demo-spa",
		ResourceServerID: "demo-api", Secret: demoAPISecret, Tenants: []string{"acme", "globex"},
		People: devidp.People(), Now: now, Log: m.d.log,
		Scopes: scopeNames(m.d.cfg.product.apiScopes()), Resources: m.d.cfg.product.demoResources(), Errors: guard.ErrorCodes(m.d.cfg.product.errors),
	})
	if err != nil {
		return nil, err
	}
	var out []web.Listening
	for _, part := range []struct {
		offset  int
		handler http.Handler
	}{{0, h.public}, {1, provider}, {2, api}, {10, h.operator}} {
		l, err := m.d.listening(fmt.Sprintf("127.0.0.1:%d", c.PortBase+part.offset), part.handler)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}
