package profiles

import (
	"embed"
	"fmt"
	"strings"
)

// FS has the files, as upstat.yaml.
//
//go:embed *.yaml
var FS embed.FS

// Read returns the file of a product, as "upstat". The error wraps [fs.ErrNotExist].
func Read(name string) ([]byte, error) {
	body, err := FS.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("profiles: there is no product %q: %w", name, err)
	}
	return body, nil
}

// Names are the products that there are files of, sorted.
func Names() []string {
	entries, _ := FS.ReadDir(".") // what is embedded can be read
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}
