package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gopkg.in/yaml.v3"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/seal"
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
		DataDir string `yaml:"data_dir"`
		// MaxConnections is what this node opens at most, in all.
		MaxConnections int `yaml:"max_connections"`
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
		// Deny lists further ranges that no request goes to, as CIDRs: the
		// deployment's own public addresses.
		Deny []string `yaml:"deny"`
		// AllowLoopbackHTTP lets connections use http on this machine.
		AllowLoopbackHTTP bool `yaml:"allow_loopback_http"`
	} `yaml:"outbound"`

	// CatalogueFile declares the product: scopes, roles, key profiles. Without one,
	// no role restricts anybody, and there is one plain key profile.
	CatalogueFile string `yaml:"catalogue_file"`

	Redis struct {
		// URLFile holds a redis:// or rediss:// URL; WATCHGATE_REDIS_URL says the
		// same. The nodes count the calls of API keys there together; without one
		// each node counts for itself.
		URLFile string `yaml:"url_file"`
	} `yaml:"redis"`

	Leaks struct {
		// GitHub lets GitHub's secret scanning tell of keys that it found in public, at
		// POST /leaks/github.
		GitHub bool `yaml:"github"`
	} `yaml:"leaks"`

	// Mail is how people are told things. Without a server nobody is told: sign-in by
	// e-mailed links and invitations are off.
	Mail mailConfig `yaml:"mail"`

	// Support is whom people ask who cannot get in: an address or a sentence for
	// refusal pages, where their organization has said nothing of its own.
	Support string `yaml:"support"`
	// PlacesFile is a MaxMind DB of cities (GeoLite2, DB-IP), by which a person's list
	// of sessions says where an address is.
	PlacesFile string `yaml:"places_file"`
	// DNSServer is asked for the records that prove domains, as host:port; the
	// system's resolver when empty.
	DNSServer string `yaml:"dns_server"`

	Introspection struct {
		// CacheMiB bounds the memory for remembered answers; 0 remembers none.
		CacheMiB int `yaml:"cache_mib"`
		// PerSecond is how many answers one resource server gets from this node, and
		// FailuresPerSecond how many wrong credentials one address may try. 0: no limit.
		PerSecond         int `yaml:"per_second"`
		FailuresPerSecond int `yaml:"failures_per_second"`
		// LogEach writes a log line for active answers from memory, too.
		LogEach bool `yaml:"log_each"`
	} `yaml:"introspection"`

	Log struct {
		Level string `yaml:"level"` // debug, info, warn, error
	} `yaml:"log"`

	// databaseURL and secret are what the files or the environment say, and deny
	// is Outbound.Deny, read.
	databaseURL string
	redis       redis.UniversalClient // nil: none
	mailbox     *mail.Mailbox         // of a demonstration; nil elsewhere
	secret      []byte
	deny        []netip.Prefix
	product     product
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
	c.Leaks.GitHub = true
	c.Introspection.CacheMiB = 256
	c.Introspection.PerSecond, c.Introspection.FailuresPerSecond = 100_000, 10
	c.Mail.TLS = mailStartTLS
	c.Log.Level = "info"
	c.product = plainProduct()
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
	c, wrong, err := parseConfig(file, env)
	if err == nil && len(wrong) > 0 {
		err = wrong
	}
	return c, err
}

// readServerConfig is readConfig for who will serve: what only a server needs
// (its certificate) is read and checked too.
func readServerConfig(file string, env func(string) string) (Config, error) {
	c, wrong, err := parseConfig(file, env)
	if err != nil {
		return c, err
	}
	if c.checkFiles(&wrong); len(wrong) > 0 {
		return c, wrong
	}
	return c, nil
}

// parseConfig reads a file and notes what is wrong with it. The error is that it
// cannot be read at all.
func parseConfig(file string, env func(string) string) (Config, problems, error) {
	c := defaults()
	body, err := os.ReadFile(file)
	if err != nil {
		return c, nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	var wrong problems
	dec := yaml.NewDecoder(bytes.NewReader(body))
	dec.KnownFields(true)
	var types *yaml.TypeError
	if err := dec.Decode(&c); errors.As(err, &types) {
		for _, e := range types.Errors {
			wrong.add("%s", explainYAML(e, body))
		}
	} else if err != nil && !errors.Is(err, io.EOF) {
		return c, nil, fmt.Errorf("the configuration %s is no YAML: %w", file, err)
	}
	c.anchor(filepath.Dir(file))
	c.load(&wrong, env)
	c.loadRedis(&wrong, env)
	c.loadMail(&wrong, env)
	c.loadProduct(&wrong)
	c.check(&wrong)
	return c, wrong, nil
}

// anchor makes relative paths start at the configuration's folder.
func (c *Config) anchor(dir string) {
	for _, p := range []*string{
		&c.TLS.CertificateFile, &c.TLS.KeyFile, &c.Database.URLFile, &c.Database.DataDir, &c.SecretFile, &c.Outbound.CAFile,
		&c.CatalogueFile, &c.Redis.URLFile, &c.Mail.PasswordFile, &c.PlacesFile,
	} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

// load takes the secrets from their files or from the environment, and notes
// which are missing.
func (c *Config) load(wrong *problems, env func(string) string) {
	url, ok := secretFrom(wrong, env, "database.url_file", c.Database.URLFile, "WATCHGATE_DATABASE_URL")
	c.databaseURL = strings.TrimSpace(string(url))
	if ok {
		c.checkDatabase(wrong)
	}
	c.secret, ok = secretFrom(wrong, env, "secret_file", c.SecretFile, "WATCHGATE_SECRET")
	switch {
	case ok && len(bytes.TrimSpace(c.secret)) == 0:
		wrong.add("secret_file (or WATCHGATE_SECRET) is missing or empty: make one with `watchgate secret > FILE` and keep a copy where the database's backups are not")
	case ok:
		if _, err := sealerOf(c.secret); err != nil {
			wrong.add("%s", err)
		}
	}
}

// loadRedis takes the URL of Redis from its file or from the environment.
func (c *Config) loadRedis(wrong *problems, env func(string) string) {
	body, ok := secretFrom(wrong, env, "redis.url_file", c.Redis.URLFile, "WATCHGATE_REDIS_URL")
	address := strings.TrimSpace(string(body))
	if !ok || address == "" {
		return
	}
	client, err := limit.Connect(address)
	if err != nil {
		wrong.add("redis.url_file (or WATCHGATE_REDIS_URL): %s", err)
		return
	}
	c.redis = client
}

// secretFrom reads a file, or an environment variable when no file is named. It
// is not ok when it has noted why there is nothing to look at.
func secretFrom(wrong *problems, env func(string) string, key, file, variable string) (body []byte, ok bool) {
	if file == "" {
		return []byte(env(variable)), true
	}
	if env(variable) != "" {
		wrong.add("%s and %s are both set: keep one", key, variable)
	}
	body, err := os.ReadFile(file)
	if err != nil {
		wrong.add("%s: %v", key, err)
	}
	return body, err == nil
}

// sealerOf reads the master secrets. The error names the line, never its
// content.
func sealerOf(secret []byte) (*seal.Sealer, error) {
	masters, err := seal.Parse(secret)
	if err != nil {
		return nil, fmt.Errorf("secret_file: %w", err)
	}
	s, err := seal.New(masters)
	if err != nil {
		return nil, fmt.Errorf("secret_file: %w", err)
	}
	return s, nil
}
