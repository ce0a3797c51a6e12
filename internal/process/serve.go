package process

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Dev starts `watchgate dev` on free ports with its data in dir. IDP and API
// are its other two ports.
type Dev struct {
	*Node
	IDP, API string
	Base     int
	Dir      string
}

// StartDev starts a demonstration; base 0 looks for free ports. more are further
// flags.
func StartDev(ctx context.Context, dir string, base int, more ...string) (*Dev, error) {
	if base == 0 {
		free, err := FreePort(0, 1, 2, 10)
		if err != nil {
			return nil, err
		}
		base = free
	}
	at := func(offset int) string { return fmt.Sprintf("http://127.0.0.1:%d", base+offset) }
	n, err := launch(ctx, at(0), at(10), append([]string{"dev", "--data-dir", dir, "--port-base", fmt.Sprint(base)}, more...)...)
	if err != nil {
		return nil, err
	}
	return &Dev{Node: n, IDP: at(1), API: at(2), Base: base, Dir: dir}, nil
}

// Log is what the demonstration has logged.
func (d *Dev) Log() (string, error) {
	body, err := os.ReadFile(filepath.Join(d.Dir, "watchgate.log"))
	return string(body), err
}

// Deployment is a configuration for serve, in a folder of its own. Its nodes
// share issuer, secret and database.
type Deployment struct {
	Dir    string
	Issuer string
	Port   int // of the first node
	dbLine string
}

// NewDeployment writes a secret into dir and prepares for nodes on a database:
// a postgres:// URL, or a folder for SQLite.
func NewDeployment(ctx context.Context, dir, database string) (*Deployment, error) {
	secret, err := Run(ctx, nil, "secret")
	if err != nil {
		return nil, err
	}
	d := &Deployment{Dir: dir, dbLine: "data_dir: " + database}
	files := map[string]string{"secret": secret}
	if strings.HasPrefix(database, "postgres") {
		d.dbLine, files["database-url"] = "url_file: database-url", database
	}
	for name, body := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			return nil, err
		}
	}
	if d.Port, err = FreePort(0); err != nil {
		return nil, err
	}
	d.Issuer = fmt.Sprintf("http://127.0.0.1:%d", d.Port)
	if _, err := d.config("operate", d.Port, d.Port); err != nil {
		return nil, err
	}
	_, err = d.Operate(ctx, nil, "migrate", "up")
	return d, err
}

// config writes a configuration file and returns its path.
func (d *Deployment) config(name string, port, operator int) (string, error) {
	return d.configOn(name, d.dbLine, port, operator, "")
}

func (d *Deployment) configOn(name, dbLine string, port, operator int, more string) (string, error) {
	file := filepath.Join(d.Dir, name+".yaml")
	body := fmt.Sprintf(`issuer: %s
listen: 127.0.0.1:%d
operator_listen: 127.0.0.1:%d
database:
  %s
secret_file: secret
outbound:
  allow_loopback_http: true
%s`, d.Issuer, port, operator, dbLine, more)
	return file, os.WriteFile(file, []byte(body), 0o600)
}

// Operate runs an operator's command for the deployment.
func (d *Deployment) Operate(ctx context.Context, env []string, args ...string) (string, error) {
	return Run(ctx, append(env, "WATCHGATE_CONFIG="+filepath.Join(d.Dir, "operate.yaml")), args...)
}

// Start starts a node; the first has the issuer's own port. Requests to others
// must carry the issuer's Host.
func (d *Deployment) Start(ctx context.Context, name string, first bool) (*Node, error) {
	return d.StartNode(ctx, NodeConfig{Name: name, First: first})
}

// NodeConfig is what a node has of its own. All but the name may be absent.
type NodeConfig struct {
	Name string
	// First gives it the issuer's own port.
	First bool
	// Database is a postgres:// URL, when it is not the deployment's: that of a
	// proxy.
	Database string
	// Binary is a build of the program; see [Build].
	Binary string
	Env    []string
	// More is the end of the configuration file, in YAML.
	More string
}

// StartNode starts a node and waits until it is ready.
func (d *Deployment) StartNode(ctx context.Context, c NodeConfig) (*Node, error) {
	if c.Binary == "" {
		bin, err := Binary()
		if err != nil {
			return nil, err
		}
		c.Binary = bin
	}
	dbLine := d.dbLine
	if c.Database != "" {
		dbLine = "url_file: database-url-" + c.Name
		if err := os.WriteFile(filepath.Join(d.Dir, "database-url-"+c.Name), []byte(c.Database), 0o600); err != nil {
			return nil, err
		}
	}
	port, operator := d.Port, 0
	var err error
	if !c.First {
		if port, err = FreePort(0); err != nil {
			return nil, err
		}
	}
	if operator, err = FreePort(0); err != nil {
		return nil, err
	}
	file, err := d.configOn(c.Name, dbLine, port, operator, c.More)
	if err != nil {
		return nil, err
	}
	url, op := fmt.Sprintf("http://127.0.0.1:%d", port), fmt.Sprintf("http://127.0.0.1:%d", operator)
	return launchBuild(ctx, c.Binary, c.Env, url, op, "serve", "--config", file)
}
