package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/watchgate/watchgate/apikey"
	"github.com/watchgate/watchgate/examples/monitorapi"
	"github.com/watchgate/watchgate/examples/profiles"
	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/storage"
)

// product is what a deployment's catalogue file says: its scopes, its roles and its
// key profiles. Without a file it is the plain one.
type product struct {
	catalogue *catalogue.Catalogue // nil: nothing is declared
	profiles  *apikey.Profiles
	errors    catalogue.ErrorCodes
}

func plainProduct() product {
	return product{profiles: apikey.DefaultProfiles(), errors: catalogue.DefaultErrorCodes()}
}

// readProduct reads a catalogue file. Every problem in it is in the error, by line.
func readProduct(name string, body []byte) (product, error) {
	f, err := catalogue.Parse(name, body)
	profiles, wrong := apikey.DefaultProfiles(), error(nil)
	if f.Keys != nil {
		profiles, wrong = apikey.ParseProfiles(f.Keys, f.Catalogue, name)
	}
	return product{catalogue: f.Catalogue, profiles: profiles, errors: f.Errors}, catalogue.Together(err, wrong)
}

// inFile lists the problems of a catalogue file that is given by itself, as those of a
// configuration are listed.
func inFile(err error) error {
	found := linesOf(err)
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("%d problem(s) in the catalogue file:\n  - %s", len(found), strings.Join(found, "\n  - "))
}

// looksLikeCatalogue reports whether a file is a catalogue, and no configuration, by
// the keys at its top.
func looksLikeCatalogue(body []byte) bool {
	var file yaml.Node
	if yaml.Unmarshal(body, &file) != nil || len(file.Content) == 0 {
		return false
	}
	catalogued := false
	for i, key := range file.Content[0].Content {
		switch {
		case i%2 == 1:
		case key.Value == "issuer", key.Value == "database":
			return false
		case slices.Contains([]string{"resources", "scopes", "roles", "keys"}, key.Value):
			catalogued = true
		}
	}
	return catalogued
}

// loadProduct reads the file that the configuration names.
func (c *Config) loadProduct(wrong *problems) {
	c.product = plainProduct()
	if c.CatalogueFile == "" {
		return
	}
	body, err := os.ReadFile(c.CatalogueFile)
	if err == nil {
		c.product, err = readProduct(c.CatalogueFile, body)
	}
	for _, line := range linesOf(err) {
		wrong.add("catalogue_file: %s", line)
	}
}

// ownScopes are those of the management API, with their sentences.
func (p product) ownScopes() []storage.Scope {
	var own []storage.Scope
	for _, s := range p.catalogue.Scopes() {
		if catalogue.Own(s.Name) {
			own = append(own, s)
		}
	}
	return own
}

// apiScopes are the product's own, with their sentences.
func (p product) apiScopes() []storage.Scope {
	var own []storage.Scope
	for _, s := range p.catalogue.Scopes() {
		if !catalogue.Own(s.Name) {
			own = append(own, s)
		}
	}
	return own
}

// linesOf takes apart an error that says several things.
func linesOf(err error) []string {
	var listed catalogue.Problems
	switch {
	case err == nil:
		return nil
	case errors.As(err, &listed):
		var lines []string
		for _, p := range listed {
			lines = append(lines, p.String())
		}
		return lines
	}
	return []string{err.Error()}
}

// namedProduct is one of the examples, or what a file says.
func namedProduct(name string) (product, error) {
	body, err := profiles.Read(name)
	if err != nil {
		if body, err = os.ReadFile(name); err != nil {
			return product{}, fmt.Errorf("--product must be one of %s, or a catalogue file: %w", strings.Join(profiles.Names(), ", "), err)
		}
	}
	p, err := readProduct(name, body)
	return p, inFile(err)
}

// demoResources are what the demo API serves for a product: nothing for the one whose
// monitors, alerts and settings it has itself.
func (p product) demoResources() []monitorapi.Resource {
	var out []monitorapi.Resource
	for _, r := range p.catalogue.Resources() {
		if r.Name == "api-keys" || r.Name == "organization" {
			continue
		}
		actions := map[string]string{}
		for _, a := range r.Actions {
			if a.Scope == "monitor:read" {
				return nil
			}
			actions[a.Name] = a.Scope
		}
		out = append(out, monitorapi.Resource{Name: r.Name, Actions: actions})
	}
	return out
}

func scopeNames(scopes []storage.Scope) []string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = s.Name
	}
	return names
}
