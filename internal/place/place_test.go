package place

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func names(en string) map[string]any {
	return map[string]any{"names": map[string]any{"de": "nicht gefragt", "en": en}}
}

func TestPlacesInWords(t *testing.T) {
	p, err := Open(database(t, map[string]any{
		"192.0.2.0/24":    map[string]any{"city": names("Bern"), "country": names("Switzerland"), "registered_country": names("Austria")},
		"198.51.100.0/25": map[string]any{"country": names("Portugal")},
		"203.0.113.0/24":  map[string]any{"registered_country": names("Japan")},
		"2001:db8::/32":   map[string]any{"city": names("Oslo"), "country": names("Norway")},
		"2001:db9::/32":   map[string]any{"city": "not a map"},
		"2001:dba::/32":   map[string]any{"city": names(strings.Repeat("Ö", 20))},
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for ip, want := range map[string]string{
		"192.0.2.77":        "Bern, Switzerland",
		"::ffff:192.0.2.77": "Bern, Switzerland",
		"198.51.100.1":      "Portugal",
		"198.51.100.200":    "",
		"203.0.113.9":       "Japan",
		"2001:db8::1":       "Oslo, Norway",
		"2001:db9::1":       "",
		"2001:dba::1":       strings.Repeat("Ö", 20),
		"2001:dbf::1":       "",
		"127.0.0.1":         "",
		"":                  "",
		"no address":        "",
		"192.0.2.1:443":     "",
	} {
		if got := p.Of(ip); got != want {
			t.Errorf("Of(%q) = %q, want %q", ip, got, want)
		}
	}
}

func TestNoDatabaseKnowsNothing(t *testing.T) {
	var p *Places
	if got := p.Of("192.0.2.1"); got != "" {
		t.Errorf("%q", got)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "city.mmdb")
	if _, err := Open(file); err == nil {
		t.Error("a file that is not there was opened")
	}
	for _, content := range []string{"", "not a database", "\xAB\xCD\xEFMaxMind.com"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(file); err == nil {
			t.Errorf("%q was opened", content)
		}
	}
}
