package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/watchgate/watchgate/examples/profiles"
	"github.com/watchgate/watchgate/internal/directory"
)

// vars are what the grammar's help mentions.
func vars() kong.Vars { return kong.Vars{"products": strings.Join(profiles.Names(), ", ")} }

// cli is the grammar of the command line.
type cli struct {
	Dev            devCmd            `cmd:"" help:"Run everything on this machine: server, demo identity provider, demo API and app."`
	Serve          serveCmd          `cmd:"" help:"Run the server, as a configuration file says."`
	Migrate        migrateCmd        `cmd:"" help:"Bring the database's schema up to date, or show how it stands."`
	Config         configCmd         `cmd:"" help:"Check a configuration."`
	Secret         secretCmd         `cmd:"" help:"Print a new master secret, one line, for secret_file."`
	Tenant         tenantCmd         `cmd:"" help:"Tenants: list, show, create, suspend and resume them, and tighten what holds for their people."`
	Client         clientCmd         `cmd:"" help:"Apps and machines (OAuth clients): list, create, disable and enable them, and rotate their secrets."`
	Connection     connectionCmd     `cmd:"" help:"A tenant's identity providers."`
	Domain         domainCmd         `cmd:"" help:"E-mail domains: whose people sign in where."`
	User           userCmd           `cmd:"" help:"A tenant's people: roles, invitations, second factors, who is shut out."`
	Session        sessionCmd        `cmd:"" help:"Who is signed in to a tenant."`
	ResourceServer resourceServerCmd `cmd:"" help:"APIs that ask whether a credential is good (OAuth resource servers)."`
	Key            keyCmd            `cmd:"" help:"API keys of a server that runs elsewhere: create, list, rotate and revoke them, after a sign-in with the browser."`
	Scan           scanCmd           `cmd:"" help:"Find API keys and tokens in files, folders and standard input, offline; fails when there are any."`
	SigningKey     signingKeyCmd     `cmd:"" help:"List, rotate and drop signing keys."`
}

// newCLI returns the grammar. Enabling and disabling are one command each way.
func newCLI() *cli {
	var c cli
	c.Client.Enable.on, c.Connection.Enable.on, c.ResourceServer.Enable.on, c.User.Enable.on = true, true, true, true
	return &c
}

// program is what a command may use of the world.
type program struct {
	ctx    context.Context
	out    io.Writer
	errOut io.Writer
	env    func(string) string
}

// gcPercent lets the heap, which is small, grow to four times what is live
// before it is collected: a server of short requests spends less time on it.
const gcPercent = 300

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := &program{ctx: ctx, out: os.Stdout, errOut: os.Stderr, env: os.Getenv}
	code := p.run(os.Args[1:])
	stop()
	os.Exit(code)
}

// run parses args, does what they say, and returns the exit status: 0 done, 1
// failed, 2 not understood.
func (p *program) run(args []string) int {
	parser, err := kong.New(newCLI(),
		kong.Name("watchgate"),
		kong.Description("An OAuth 2.0 and OpenID Connect authorization server for the tenants of monitoring services."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		vars(),
		kong.Writers(p.out, p.errOut),
		kong.Exit(func(code int) { panic(exit(code)) }),
	)
	if err != nil {
		panic(err) // the grammar above is wrong
	}
	return p.recoverExit(func() int {
		ctx, err := parser.Parse(args)
		if err != nil {
			fmt.Fprintf(p.errOut, "watchgate: %v\nTry 'watchgate --help'.\n", err)
			return 2
		}
		if err := p.do(ctx); err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(p.errOut, "watchgate: %s\n", sentence(err))
			return 1
		}
		return 0
	})
}

// do runs the command that was chosen: an operator's operation, or one that runs
// by itself.
func (p *program) do(ctx *kong.Context) error {
	if name, op, ok := commandOf(ctx.Selected()); ok {
		return p.operate(name, op)
	}
	return ctx.Run(p)
}

// exit carries a status through the parser, which ends the program after help.
type exit int

func (p *program) recoverExit(f func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	return f()
}

// sentence is an error as the operator reads it: each problem on its own line.
func sentence(err error) string {
	var p *directory.Problem
	if errors.As(err, &p) && len(p.Wrong) > 1 {
		return "that cannot be done:\n  - " + strings.Join(p.Wrong, "\n  - ")
	}
	return err.Error()
}

// logLevel reads a level's name.
func logLevel(name string) (slog.Level, error) {
	var l slog.Level
	err := l.UnmarshalText([]byte(name))
	return l, err
}
