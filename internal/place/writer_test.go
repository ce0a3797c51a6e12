package place

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
)

// database writes a small file in the MaxMind DB format 2.0: an IPv6 tree with records
// of 32 bits, and the entries that the networks lead to.
func database(t *testing.T, entries map[string]any) string {
	t.Helper()
	var tree tree
	var data []byte
	for network, entry := range entries {
		tree.add(netip.MustParsePrefix(network), len(data))
		data = append(data, encoded(entry)...)
	}
	file := tree.bytes()
	file = append(file, make([]byte, 16)...)
	file = append(file, data...)
	file = append(file, "\xAB\xCD\xEFMaxMind.com"...)
	file = append(file, encoded(map[string]any{
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1),
		"database_type": "Test-City", "description": map[string]any{"en": "a test"}, "ip_version": uint16(6),
		"languages": []any{"en"}, "node_count": uint32(len(tree.nodes)), "record_size": uint16(32),
	})...)
	path := filepath.Join(t.TempDir(), "city.mmdb")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tree is the search tree. A record of 0 leads nowhere, a positive one to a node, and
// a negative one to the data at -(record+1).
type tree struct{ nodes [][2]int }

func (t *tree) add(p netip.Prefix, offset int) {
	if len(t.nodes) == 0 {
		t.nodes = append(t.nodes, [2]int{})
	}
	bits, address := p.Bits(), p.Addr().As16()
	if p.Addr().Is4() { // IPv4 is ::/96 in such a tree
		bits += 96
		four := p.Addr().As4()
		address = [16]byte{12: four[0], 13: four[1], 14: four[2], 15: four[3]}
	}
	node := 0
	for i := range bits {
		side := address[i/8] >> (7 - i%8) & 1
		if i == bits-1 {
			t.nodes[node][side] = -offset - 1
			return
		}
		if t.nodes[node][side] == 0 {
			t.nodes = append(t.nodes, [2]int{})
			t.nodes[node][side] = len(t.nodes) - 1
		}
		node = t.nodes[node][side]
	}
}

func (t *tree) bytes() []byte {
	var out []byte
	for _, node := range t.nodes {
		for _, record := range node {
			switch {
			case record == 0:
				record = len(t.nodes)
			case record < 0:
				record = len(t.nodes) + 16 - record - 1
			}
			out = binary.BigEndian.AppendUint32(out, uint32(record))
		}
	}
	return out
}

// encoded is a value of the data section. Types 8 and more take a second byte.
func encoded(v any) []byte {
	switch v := v.(type) {
	case string:
		return append(control(2, len(v)), v...)
	case uint16:
		return binary.BigEndian.AppendUint16(control(5, 2), v)
	case uint32:
		return binary.BigEndian.AppendUint32(control(6, 4), v)
	case uint64:
		return binary.BigEndian.AppendUint64(append(control(0, 8), 2), v)
	case []any:
		out := append(control(0, len(v)), 4)
		for _, element := range v {
			out = append(out, encoded(element)...)
		}
		return out
	case map[string]any:
		out := control(7, len(v))
		for key, value := range v {
			out = append(append(out, encoded(key)...), encoded(value)...)
		}
		return out
	}
	panic("no such type")
}

func control(kind byte, size int) []byte {
	if size >= 29 {
		return []byte{kind<<5 | 29, byte(size - 29)}
	}
	return []byte{kind<<5 | byte(size)}
}
