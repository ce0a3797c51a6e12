package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/watchgate/watchgate/internal/seal"
)

// makeSecret gives a data folder, which the caller has locked, its master secret
// if it has none. It never makes one for a database that is there already: that
// one was set up with another. A program that is killed leaves the whole secret
// or none.
func makeSecret(dir string) error {
	name := filepath.Join(dir, "secret")
	body, err := os.ReadFile(name)
	switch {
	case err == nil && len(bytes.TrimSpace(body)) > 0:
		return nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cannot read the deployment's secret: %w", err)
	}
	var c Config
	if c.Database.DataDir = dir; c.hasDatabase() {
		return fmt.Errorf("the database in %s has lost its secret: %s is empty or absent. Put back the copy of it that you kept, or remove the folder to start afresh", dir, name)
	}
	if err := writeDurably(name, []byte(seal.Generate()+"\n")); err != nil {
		return fmt.Errorf("cannot write the deployment's secret: %w", err)
	}
	return nil
}

// writeDurably puts a file in place, whole, for its owner alone. Whatever is
// there is replaced at one moment.
func writeDurably(name string, body []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".secret-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(name))
}

// syncFolder makes a rename survive a loss of power.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
