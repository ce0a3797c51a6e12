package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Config is the file that `serve` reads. An unknown key is an error. Every key
// but issuer and database has a default.
type Config struct {
	// Issuer is the public URL of the deployment, byte for byte as tokens and
	// metadata say it.
	Issuer string `yaml:"issuer"`
	// Listen is the public address; OperatorListen serves /metrics, /healthz
	// and /readyz and belongs on a private one.
	Listen         string `yaml:"listen"`
	OperatorListen string `yaml:"operator_listen"`
	TLS            struct {
		CertificateFile string `yaml:"certificate_file"`
		KeyFile         string `yaml:"key_file"`
	} `yaml:"tls"`
	// TrustedProxies is how many proxies in front append to X-Forwarded-For.
	TrustedProxies int `yaml:"trusted_proxies"`

	Database struct {
		// URLFile holds a postgres:// URL; WATCHGATE_DATABASE_URL says the same.
		URLFile string `yaml:"url_file"`
		// DataDir is a folder for SQLite instead.
		DataDir        string `yaml:"data_dir"`
		MaxConnections int    `yaml:"max_connections"`
	} `yaml:"database"`

	// SecretFile holds the deployment's master secrets; WATCHGATE_SECRET says
	// the same.
	SecretFile string `yaml:"secret_file"`

	SigningKeys struct {
		PublishAhead time.Duration `yaml:"publish_ahead"`
		SignFor      time.Duration `yaml:"sign_for"`
		KeepFor      time.Duration `yaml:"keep_for"`
	} `yaml:"signing_keys"`

	Outbound struct {
		// CAFile holds further roots for identity providers inside a company.
		CAFile  string        `yaml:"ca_file"`
		Ports   []int         `yaml:"ports"`
		Timeout time.Duration `yaml:"timeout"`
		// AllowLoopbackHTTP lets connections use http on this machine.
		AllowLoopbackHTTP bool `yaml:"allow_loopback_http"`
	} `yaml:"outbound"`

	Log struct {
		Level string `yaml:"level"` // debug, info, warn, error
	} `yaml:"log"`

	// databaseURL and secret are what the files or the environment say.
	databaseURL string
	secret      []byte
}

// defaults returns a configuration in which every key that has a default has
// it.
func defaults() Config {
	var c Config
	c.Listen, c.OperatorListen = ":8080", "127.0.0.1:8090"
	c.Database.MaxConnections = 20
	c.SigningKeys.PublishAhead = 24 * time.Hour
	c.SigningKeys.SignFor = 90 * 24 * time.Hour
	c.SigningKeys.KeepFor = 31 * 24 * time.Hour
	c.Outbound.Ports = []int{443}
	c.Outbound.Timeout = 10 * time.Second
	c.Log.Level = "info"
	return c
}

// problems is everything that is wrong with a configuration.
type problems []string

// Error lists them, one a line.
func (p problems) Error() string {
	return fmt.Sprintf("%d problem(s) in the configuration:\n  - %s", len(p), strings.Join(p, "\n  - "))
}

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

// readConfig reads and checks a file. Every problem is reported at once.
// Relative paths in it start at the file's folder.
func readConfig(file string, env func(string) string) (Config, error) {
	c := defaults()
	body, err := os.ReadFile(file)
	if err != nil {
		return c, fmt.Errorf("cannot read the configuration: %w", err)
	}
	var wrong problems
	dec := yaml.NewDecoder(bytes.NewReader(body))
	dec.KnownFields(true)
	var types *yaml.TypeError
	if err := dec.Decode(&c); errors.As(err, &types) {
		for _, e := range types.Errors {
			wrong.add("%s", strings.ReplaceAll(e, " in type main.Config", ""))
		}
	} else if err != nil && !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("the configuration %s is no YAML: %w", file, err)
	}
	c.anchor(filepath.Dir(file))
	c.load(&wrong, env)
	c.check(&wrong)
	if len(wrong) > 0 {
		return c, wrong
	}
	return c, nil
}

// anchor makes relative paths start at the configuration's folder.
func (c *Config) anchor(dir string) {
	for _, p := range []*string{
		&c.TLS.CertificateFile, &c.TLS.KeyFile, &c.Database.URLFile, &c.Database.DataDir, &c.SecretFile, &c.Outbound.CAFile,
	} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

// load takes the secrets from their files or from the environment.
func (c *Config) load(wrong *problems, env func(string) string) {
	url := secretFrom(wrong, env, "database.url_file", c.Database.URLFile, "WATCHGATE_DATABASE_URL")
	c.databaseURL = strings.TrimSpace(string(url))
	c.secret = secretFrom(wrong, env, "secret_file", c.SecretFile, "WATCHGATE_SECRET")
	if len(c.secret) == 0 {
		wrong.add("secret_file (or WATCHGATE_SECRET) is missing: make one with `watchgate secret > FILE` and keep a copy where the database's backups are not")
	}
}

// secretFrom reads a file, or an environment variable when no file is named.
func secretFrom(wrong *problems, env func(string) string, key, file, variable string) []byte {
	if file == "" {
		return []byte(env(variable))
	}
	if env(variable) != "" {
		wrong.add("%s and %s are both set: keep one", key, variable)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		wrong.add("%s: %v", key, err)
	}
	return body
}

// check notes what does not fit.
func (c *Config) check(wrong *problems) {
	c.checkIssuer(wrong)
	for key, addr := range map[string]string{"listen": c.Listen, "operator_listen": c.OperatorListen} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			wrong.add("%s: %q is no address: write host:port or :port", key, addr)
		}
	}
	if (c.TLS.CertificateFile == "") != (c.TLS.KeyFile == "") {
		wrong.add("tls: certificate_file and key_file go together")
	}
	switch {
	case c.databaseURL == "" && c.Database.DataDir == "":
		wrong.add("database: name a url_file (or WATCHGATE_DATABASE_URL) for PostgreSQL, or a data_dir for SQLite")
	case c.databaseURL != "" && c.Database.DataDir != "":
		wrong.add("database: PostgreSQL and data_dir are both set: keep one")
	case c.databaseURL != "" && !strings.HasPrefix(c.databaseURL, "postgres://") && !strings.HasPrefix(c.databaseURL, "postgresql://"):
		wrong.add("database: the URL must begin with postgres://")
	}
	if c.Database.MaxConnections < 2 {
		wrong.add("database.max_connections: must be at least 2")
	}
	if c.TrustedProxies < 0 {
		wrong.add("trusted_proxies: must not be negative")
	}
	if c.SigningKeys.PublishAhead < time.Hour || c.SigningKeys.SignFor < 24*time.Hour || c.SigningKeys.KeepFor < 24*time.Hour {
		wrong.add("signing_keys: publish_ahead must be at least 1h, sign_for and keep_for at least 24h")
	}
	if _, err := logLevel(c.Log.Level); err != nil {
		wrong.add("log.level: %q must be debug, info, warn or error", c.Log.Level)
	}
}

// checkIssuer notes what RFC 8414 section 2 does not allow in an issuer.
func (c *Config) checkIssuer(wrong *problems) {
	u, err := url.Parse(c.Issuer)
	switch {
	case c.Issuer == "":
		wrong.add("issuer: is missing: write the public URL, as https://auth.example.com")
	case err != nil || u.Host == "":
		wrong.add("issuer: %q is no URL", c.Issuer)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(u.Path, "/"):
		wrong.add("issuer: %q must have no user, query, fragment or trailing slash", c.Issuer)
	case u.Path != "":
		wrong.add("issuer: %q must have no path: give Watchgate a host name of its own", c.Issuer)
	case u.Scheme != "https" && !loopbackHTTP(u):
		wrong.add("issuer: %q must be https; http is for loopback addresses only", c.Issuer)
	}
}

// loopbackHTTP reports whether u is plain http to this machine.
func loopbackHTTP(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && ip.IsLoopback())
}
