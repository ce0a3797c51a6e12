package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/user"
	"strings"
	"text/tabwriter"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/signer"
	"github.com/watchgate/watchgate/storage"
)

// target says which deployment a command is for.
type target struct {
	Config  string `json:"-" help:"The server's configuration file." type:"existingfile" env:"WATCHGATE_CONFIG" placeholder:"FILE"`
	DataDir string `json:"-" help:"The data folder of 'watchgate dev', or of a server on SQLite." default:"./data" type:"path" placeholder:"DIR"`
	JSON    bool   `json:"-" help:"Print JSON."`
}

// operators are the rooms through which commands act.
type operators struct {
	directory *directory.Directory
	signer    *signer.Signer
	keys      storage.SigningKeys
}

// operation is an operator's command. It can be marshalled, so that it runs in
// the server that holds the database when there is one.
type operation interface {
	do(ctx context.Context, ops operators) (report, error)
}

// operations has every operation by the name under which it travels.
var operations = map[string]func() operation{
	"tenant list":                   func() operation { return &tenantList{} },
	"tenant create":                 func() operation { return &tenantCreate{} },
	"tenant suspend":                func() operation { return &tenantSuspend{} },
	"tenant resume":                 func() operation { return &tenantResume{} },
	"client list":                   func() operation { return &clientList{} },
	"client create":                 func() operation { return &clientCreate{} },
	"client disable":                func() operation { return &clientDisable{} },
	"client enable":                 func() operation { return &clientEnable{} },
	"client rotate-secret":          func() operation { return &clientRotate{} },
	"connection list":               func() operation { return &connectionList{} },
	"connection create":             func() operation { return &connectionCreate{} },
	"connection disable":            func() operation { return &connectionDisable{} },
	"connection enable":             func() operation { return &connectionEnable{} },
	"connection add-domain":         func() operation { return &domainAdd{} },
	"connection remove-domain":      func() operation { return &domainRemove{} },
	"resource-server list":          func() operation { return &resourceServerList{} },
	"resource-server create":        func() operation { return &resourceServerCreate{} },
	"resource-server disable":       func() operation { return &resourceServerDisable{} },
	"resource-server enable":        func() operation { return &resourceServerEnable{} },
	"resource-server rotate-secret": func() operation { return &resourceServerRotate{} },
	"signing-key list":              func() operation { return &signingKeyList{} },
	"signing-key rotate":            func() operation { return &signingKeyRotate{} },
	"signing-key drop":              func() operation { return &signingKeyDrop{} },
}

// report is what an operation says: a table, a sentence, or both.
type report struct {
	Columns []string   `json:"columns,omitempty"`
	Rows    [][]string `json:"rows,omitempty"`
	Note    string     `json:"note,omitempty"`
}

// said returns a report of one sentence.
func said(format string, args ...any) report { return report{Note: fmt.Sprintf(format, args...)} }

// write prints a report for people, or as JSON.
func (r report) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r.objects())
	}
	if len(r.Columns) > 0 {
		t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, strings.ToUpper(strings.Join(r.Columns, "\t")))
		for _, row := range r.Rows {
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if r.Note != "" {
		fmt.Fprintln(w, r.Note)
	}
	return nil
}

// objects is the report for a script: a list of objects, or the sentence.
func (r report) objects() any {
	if len(r.Columns) == 0 {
		return map[string]string{"note": r.Note}
	}
	out := make([]map[string]string, 0, len(r.Rows))
	for _, row := range r.Rows {
		o := make(map[string]string, len(row))
		for i, cell := range row {
			o[r.Columns[i]] = cell
		}
		out = append(out, o)
	}
	return out
}

// operate runs an operation where it belongs: in the server that holds the data
// folder, or here.
func (p *program) operate(t target, name string, op operation) error {
	ctx := audit.WithActor(p.ctx, "operator", operatorName())
	cfg, err := p.configOf(t)
	if err != nil {
		return err
	}
	if cfg.Database.DataDir != "" {
		r, ran, err := askServer(ctx, cfg.Database.DataDir, name, op)
		if ran || err != nil {
			return p.print(r, t.JSON, err)
		}
	}
	d, err := openDeployment(ctx, cfg, quietLog())
	if err != nil {
		return err
	}
	defer d.close()
	r, err := op.do(ctx, d.operators())
	return p.print(r, t.JSON, err)
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
