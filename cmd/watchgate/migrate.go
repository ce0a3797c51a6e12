package main

import (
	"context"
	"fmt"
	"os"

	"github.com/watchgate/watchgate/internal/seal"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

type migrateCmd struct {
	Up     migrateUp     `cmd:"" help:"Apply the migrations that the database lacks."`
	Status migrateStatus `cmd:"" help:"Show which migrations are applied."`
}

type migrateUp struct{ target }

// Run applies the migrations. On PostgreSQL the URL must name a role that owns
// the schema and may create roles.
func (c *migrateUp) Run(p *program) error {
	return p.withSchema(c.target, func(ctx context.Context, dsn string) error {
		if err := sqlstore.Migrate(ctx, dsn); err != nil {
			return fmt.Errorf("the schema could not be brought up to date: %w", err)
		}
		fmt.Fprintln(p.out, "The schema is up to date.")
		return nil
	})
}

type migrateStatus struct{ target }

// Run prints each migration with its state.
func (c *migrateStatus) Run(p *program) error {
	return p.withSchema(c.target, func(ctx context.Context, dsn string) error {
		all, err := sqlstore.MigrationStatus(ctx, dsn)
		if err != nil {
			return fmt.Errorf("the schema's state cannot be read: %w", err)
		}
		r := report{Columns: []string{"version", "migration", "applied"}}
		for _, m := range all {
			r.Rows = append(r.Rows, []string{fmt.Sprint(m.Version), m.Name, day(m.AppliedAt)})
		}
		return r.write(p.out, c.JSON)
	})
}

// withSchema calls f with the database's name, holding the data folder if there
// is one: a schema is never changed under a running server on SQLite.
func (p *program) withSchema(t target, f func(ctx context.Context, dsn string) error) error {
	cfg, err := p.configOf(t)
	if err != nil {
		return err
	}
	if dir := cfg.Database.DataDir; dir != "" {
		lock, err := lockFolder(dir)
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	return f(p.ctx, cfg.dsn())
}

type configCmd struct {
	Check configCheck `cmd:"" help:"Report every problem of a configuration, and of the files that it names, at once; or of a catalogue file."`
}

type configCheck struct {
	File string `arg:"" help:"The configuration file, or a catalogue file."`
}

// Run reads the file as `serve` would, with the files that it names, and opens
// neither a port nor the database.
func (c *configCheck) Run(p *program) error {
	if body, err := os.ReadFile(c.File); err == nil && looksLikeCatalogue(body) {
		return c.runCatalogue(p, body)
	}
	cfg, err := readServerConfig(c.File, p.env)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s is good: issuer %s, listening on %s\n", c.File, cfg.Issuer, cfg.Listen)
	return nil
}

// runCatalogue reads a catalogue file as `serve` would.
func (c *configCheck) runCatalogue(p *program, body []byte) error {
	read, err := readProduct(c.File, body)
	if err != nil {
		return inFile(err)
	}
	fmt.Fprintf(p.out, "%s is good: %s, %s, %s\n", c.File, counted(len(read.catalogue.Resources()), "resource", "resources"),
		counted(len(read.catalogue.Scopes()), "scope", "scopes"), counted(len(read.profiles.All()), "key profile", "key profiles"))
	return nil
}

type secretCmd struct{}

// Run prints a line for a new secret file.
func (c *secretCmd) Run(p *program) error {
	_, err := fmt.Fprintln(p.out, seal.Generate())
	return err
}
