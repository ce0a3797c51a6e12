package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// check notes what does not fit in the configuration itself.
func (c *Config) check(wrong *problems) {
	c.checkIssuer(wrong)
	checkListen(wrong, "listen", c.Listen)
	checkListen(wrong, "operator_listen", c.OperatorListen)
	if (c.TLS.CertificateFile == "") != (c.TLS.KeyFile == "") {
		wrong.add("tls: certificate_file and key_file go together")
	}
	if c.Database.MaxConnections < 2 {
		wrong.add("database.max_connections: must be at least 2")
	}
	if c.TrustedProxies < 0 {
		wrong.add("trusted_proxies: must not be negative")
	}
	c.checkSigningKeys(wrong)
	c.checkOutbound(wrong)
	c.checkIntrospection(wrong)
	c.checkMail(wrong)
	if _, err := logLevel(c.Log.Level); err != nil {
		wrong.add("log.level: %q must be debug, info, warn or error", c.Log.Level)
	}
}

// checkFiles notes what is wrong with the files that only a server reads.
func (c *Config) checkFiles(wrong *problems) {
	if c.TLS.CertificateFile != "" && c.TLS.KeyFile != "" {
		if _, err := tls.LoadX509KeyPair(c.TLS.CertificateFile, c.TLS.KeyFile); err != nil {
			wrong.add("tls: %s and %s cannot be used: %v", c.TLS.CertificateFile, c.TLS.KeyFile, err)
		}
	}
	if _, err := c.roots(); err != nil {
		wrong.add("%v", err)
	}
	if c.PlacesFile != "" {
		if _, err := os.Stat(c.PlacesFile); err != nil {
			wrong.add("places_file: %v", err)
		}
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

func checkListen(wrong *problems, key, addr string) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		wrong.add("%s: %q is no address: write host:port or :port", key, addr)
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		wrong.add("%s: the port of %q must be a number from 0 to 65535", key, addr)
	}
}

func (c *Config) checkDatabase(wrong *problems) {
	switch {
	case c.databaseURL == "" && c.Database.DataDir == "":
		wrong.add("database: name a url_file (or WATCHGATE_DATABASE_URL) for PostgreSQL, or a data_dir for SQLite")
	case c.databaseURL != "" && c.Database.DataDir != "":
		wrong.add("database: PostgreSQL and data_dir are both set: keep one")
	case c.databaseURL != "" && !strings.HasPrefix(c.databaseURL, "postgres://") && !strings.HasPrefix(c.databaseURL, "postgresql://"):
		wrong.add("database: the URL must begin with postgres://")
	}
}

func (c *Config) checkSigningKeys(wrong *problems) {
	k := c.SigningKeys
	if k.PublishAhead < time.Hour || k.SignFor < 24*time.Hour || k.KeepFor < 24*time.Hour {
		wrong.add("signing_keys: publish_ahead must be at least 1h, sign_for and keep_for at least 24h")
	}
	if k.PublishAhead > k.SignFor {
		wrong.add("signing_keys: publish_ahead (%s) must not be longer than sign_for (%s): a key would have to sign before its time", k.PublishAhead, k.SignFor)
	}
}

func (c *Config) checkIntrospection(wrong *problems) {
	i := c.Introspection
	for key, n := range map[string]int{"cache_mib": i.CacheMiB, "per_second": i.PerSecond, "failures_per_second": i.FailuresPerSecond} {
		if n < 0 {
			wrong.add("introspection.%s: must not be negative; 0 turns it off", key)
		}
	}
}

func (c *Config) checkOutbound(wrong *problems) {
	if c.Outbound.Timeout <= 0 {
		wrong.add("outbound.timeout: must be more than 0, not %s", c.Outbound.Timeout)
	}
	for _, p := range c.Outbound.Ports {
		if p < 1 || p > 65535 {
			wrong.add("outbound.ports: %d is not from 1 to 65535", p)
		}
	}
	c.deny = nil
	for _, s := range c.Outbound.Deny {
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			wrong.add("outbound.deny: %q is no range of addresses: write it as 203.0.113.0/24, or 203.0.113.7/32 for one", s)
			continue
		}
		c.deny = append(c.deny, p)
	}
}

// roots are the system's certificate roots and those of the configuration.
func (c Config) roots() (*x509.CertPool, error) {
	if c.Outbound.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.Outbound.CAFile)
	if err != nil {
		return nil, fmt.Errorf("outbound.ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's certificate roots: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("outbound.ca_file: %s holds no certificate", c.Outbound.CAFile)
	}
	return pool, nil
}

// perPool is how many connections (sqlstore.Config.MaxConns) each of the store's
// pools may have, so that the node stays within max_connections: PostgreSQL has
// two pools, one for each role, and SQLite one beside its only writer.
func (c Config) perPool() int {
	if c.Database.DataDir != "" {
		return max(1, c.Database.MaxConnections-1)
	}
	return max(1, c.Database.MaxConnections/2)
}
