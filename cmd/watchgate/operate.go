package main

import (
	"cmp"
	"context"
	"fmt"
	"os/user"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/storage"
)

// target says which deployment a command is for.
type target struct {
	Config  string `json:"-" group:"Which deployment:" help:"The configuration file of its server." type:"existingfile" env:"WATCHGATE_CONFIG" placeholder:"FILE"`
	DataDir string `json:"-" group:"Which deployment:" help:"Without a configuration: the data folder of 'watchgate dev', or of a running server on SQLite; ./data when absent." default:"./data" type:"path" placeholder:"DIR"`
	JSON    bool   `json:"-" help:"Print JSON, for scripts."`
}

// deployment returns the target itself, through whatever command has it.
func (t target) deployment() target { return t }

// operators are the rooms through which commands act.
type operators struct {
	directory *directory.Directory
	domains   *domains.Claims
	signer    *signer.Signer
	keys      storage.SigningKeys
	store     storage.TenantOpener
	// examine looks at a connection's provider.
	examine func(ctx context.Context, t storage.TenantID, c storage.Connection) ([]idp.Finding, error)
	// publicURL is the issuer; a command beside a data folder may not know it.
	publicURL string
}

// issuer is the deployment's URL in what people read.
func (o operators) issuer() string { return cmp.Or(o.publicURL, "ISSUER") }

// operation is an operator's command. It can be marshalled, so that it runs in
// the server that holds the database when there is one.
type operation interface {
	do(ctx context.Context, ops operators) (report, error)
}

// command is an operation as the command line has it.
type command interface {
	operation
	deployment() target
}

// prepared is an operation that needs something of the operator's machine.
type prepared interface {
	prepare(p *program) error
}

// commandOf returns the operation that was chosen on the command line, if it is
// one, and its name: the words that chose it.
func commandOf(chosen *kong.Node) (string, command, bool) {
	c, ok := chosen.Target.Addr().Interface().(command)
	return strings.TrimSpace(chosen.Path()), c, ok
}

// operations has every operation by the name under which it travels.
var operations = map[string]func() operation{
	"tenant list":                   func() operation { return &tenantList{} },
	"tenant create":                 func() operation { return &tenantCreate{} },
	"tenant suspend":                func() operation { return &tenantSuspend{} },
	"tenant resume":                 func() operation { return &tenantResume{} },
	"tenant show":                   func() operation { return &tenantShow{} },
	"tenant policy":                 func() operation { return &tenantPolicy{} },
	"client list":                   func() operation { return &clientList{} },
	"client create":                 func() operation { return &clientCreate{} },
	"client set":                    func() operation { return &clientSet{} },
	"client disable":                func() operation { return &clientSwitch{} },
	"client enable":                 func() operation { return &clientSwitch{on: true} },
	"client rotate-secret":          func() operation { return &clientRotate{} },
	"connection list":               func() operation { return &connectionList{} },
	"connection create":             func() operation { return &connectionCreate{} },
	"connection disable":            func() operation { return &connectionSwitch{} },
	"connection enable":             func() operation { return &connectionSwitch{on: true} },
	"connection show":               func() operation { return &connectionShow{} },
	"connection presets":            func() operation { return &connectionPresets{} },
	"connection set":                func() operation { return &connectionSet{} },
	"connection doctor":             func() operation { return &connectionDoctor{} },
	"connection test":               func() operation { return &connectionTest{} },
	"connection rotate-secret":      func() operation { return &secretRotate{} },
	"connection promote-secret":     func() operation { return &secretPromote{} },
	"domain list":                   func() operation { return &domainList{} },
	"domain add":                    func() operation { return &domainAdd{} },
	"domain verify":                 func() operation { return &domainVerify{} },
	"domain set":                    func() operation { return &domainSet{} },
	"domain remove":                 func() operation { return &domainRemove{} },
	"user list":                     func() operation { return &userList{} },
	"user invite":                   func() operation { return &userInvite{} },
	"user set-role":                 func() operation { return &userRole{} },
	"user disable":                  func() operation { return &userSwitch{} },
	"user enable":                   func() operation { return &userSwitch{on: true} },
	"user sign-out":                 func() operation { return &userOut{} },
	"user reset-factors":            func() operation { return &userReset{} },
	"session list":                  func() operation { return &sessionList{} },
	"session end":                   func() operation { return &sessionEnd{} },
	"tenant break-glass":            func() operation { return &tenantBreakGlass{} },
	"resource-server list":          func() operation { return &resourceServerList{} },
	"resource-server create":        func() operation { return &resourceServerCreate{} },
	"resource-server disable":       func() operation { return &resourceServerSwitch{} },
	"resource-server enable":        func() operation { return &resourceServerSwitch{on: true} },
	"resource-server rotate-secret": func() operation { return &resourceServerRotate{} },
	"signing-key list":              func() operation { return &signingKeyList{} },
	"signing-key rotate":            func() operation { return &signingKeyRotate{} },
	"signing-key drop":              func() operation { return &signingKeyDrop{} },
}

// operate runs an operation where it belongs: in the server that holds the data
// folder, or here.
func (p *program) operate(name string, op command) error {
	if c, ok := op.(prepared); ok {
		if err := c.prepare(p); err != nil {
			return err
		}
	}
	t := op.deployment()
	ctx := audit.WithActor(p.ctx, "operator", operatorName())
	cfg := Config{}
	cfg.Database.DataDir = t.DataDir
	var err error
	if t.Config != "" {
		if cfg, err = readConfig(t.Config, p.env); err != nil {
			return err
		}
	}
	if cfg.Database.DataDir != "" {
		r, ran, err := askServer(ctx, cfg.Database.DataDir, name, op)
		if ran || err != nil {
			return p.print(r, t.JSON, err)
		}
	}
	// Only who opens the database needs its secret: a server that holds the
	// folder may have it elsewhere.
	if t.Config == "" {
		if cfg, err = dataDirConfig(t.DataDir); err != nil {
			return err
		}
	}
	d, err := openDeployment(ctx, cfg, quietLog())
	if err != nil {
		return err
	}
	defer d.close()
	return p.operateHere(ctx, d, op)
}

// silentNode is what an operator reads after a command that took long. On
// PostgreSQL a command is a process of its own: it is in nobody's metrics.
const silentNode = "watchgate: a node did not answer. The change is done and safe: this command waited 2.2 s, " +
	"and after that no node answers from what it knew before.\n"

// operateHere runs an operation in this process.
func (p *program) operateHere(ctx context.Context, d *deployment, op command) error {
	r, err := op.do(ctx, d.operators())
	if err == nil && d.waitedOut.Load() {
		fmt.Fprint(p.errOut, silentNode)
	}
	return p.print(r, op.deployment().JSON, err)
}

func (p *program) print(r report, asJSON bool, err error) error {
	if err != nil {
		return err
	}
	return r.write(p.out, asJSON)
}

// configOf is the configuration of the deployment that a command is for.
func (p *program) configOf(t target) (Config, error) {
	if t.Config != "" {
		return readConfig(t.Config, p.env)
	}
	return dataDirConfig(t.DataDir)
}

// operatorName is who the audit trail says gave a command.
func operatorName() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return u.Username
}
