package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
)

// Parse reads a master file: one key per line in standard base64, the newest
// first. Empty lines and lines that start with # are passed over. ErrMaster
// names the line, never its content.
func Parse(file []byte) ([][]byte, error) {
	var masters [][]byte
	for i, line := range bytes.Split(file, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		key, err := base64.StdEncoding.Strict().DecodeString(string(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w: not standard base64", i+1, ErrMaster)
		}
		if len(key) < MinMaster {
			return nil, fmt.Errorf("line %d: %w: %d bytes, at least %d are needed", i+1, ErrMaster, len(key), MinMaster)
		}
		masters = append(masters, key)
	}
	if len(masters) == 0 {
		return nil, fmt.Errorf("%w: the file holds no key", ErrMaster)
	}
	return masters, nil
}

// Generate returns a fresh line for a master file, without a line feed.
func Generate() string {
	var key [MinMaster]byte
	rand.Read(key[:])
	return base64.StdEncoding.EncodeToString(key[:])
}
