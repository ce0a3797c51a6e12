package scan

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/storage"
)

var (
	now     = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)
	key     = token.NewKey("up_live_", storage.NewKeyID(now))
	short   = token.NewKey("a_", storage.NewKeyID(now))
	access  = token.New(token.Access, now)
	refresh = token.New(token.Refresh, now)
	code    = token.New(token.Code, now)
	signed  = jwt(`{"iss":"https://auth.example.com","sub":"key_1"}`)
)

func jwt(payload string) string {
	enc := base64.RawURLEncoding.EncodeToString
	header := `{"alg":"EdDSA","kid":"` + strings.Repeat("k", 43) + `","typ":"api-key+jwt"}`
	return enc([]byte(header)) + "." + enc([]byte(payload)) + "." + enc(bytes.Repeat([]byte{0xfb}, ed25519.SignatureSize))
}

func in(t *testing.T, r io.Reader) (out []Finding) {
	t.Helper()
	if err := Reader("f", r, func(f Finding) { out = append(out, f) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestKeysAndTokensAreFoundWhereTheyStand(t *testing.T) {
	text := "# config\nUP_KEY=" + key + "\n" +
		`{"a":"` + access + `","b":"` + short + `"}` + "\r\n" +
		"Authorization: Bearer " + signed + "\n" +
		"x" + key + "_tail " + refresh + refresh + "\n\\n" + code
	want := []Finding{
		{"f", 2, 8, APIKey, key[:12] + "****"},
		{"f", 3, 7, AccessToken, "wgat_****"},
		{"f", 3, 7 + len(access) + 7, APIKey, short[:6] + "****"},
		{"f", 4, 23, APIKey, "****" + signed[len(signed)-4:]},
		{"f", 5, 2, APIKey, key[:12] + "****"},
		{"f", 5, 2 + len(key) + 6, RefreshToken, "wgrt_****"},
		{"f", 5, 2 + len(key) + 6 + len(refresh), RefreshToken, "wgrt_****"},
		{"f", 6, 3, Code, "wgac_****"},
	}
	got := in(t, strings.NewReader(text))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, f := range got {
		for _, secret := range []string{key, short, access, refresh, code, signed} {
			if strings.Contains(fmt.Sprint(f), secret[len(secret)-20:]) {
				t.Errorf("a finding tells a secret: %s", f.Hint)
			}
		}
	}
}

// other is a digit that is not c.
func other(c byte) string {
	if c == '0' {
		return "1"
	}
	return "0"
}

func TestWhatIsNoKeyIsNotFound(t *testing.T) {
	for name, text := range map[string]string{
		"a checksum off":  key[:len(key)-1] + other(key[len(key)-1]) + key[:len(key)-2],
		"cut":             key[:len(key)-1],
		"a line break":    key[:30] + "\n" + key[30:],
		"upper case":      strings.ToUpper(key),
		"underscores":     strings.Repeat("_", 10_000),
		"a JWT of others": strings.Replace(signed, signed[:20], base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256",`)), 1),
	} {
		if got := in(t, strings.NewReader(text)); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestKeyAcrossChunks puts a key at every place around the borders of what is read at
// once, in one endless line.
func TestKeyAcrossChunks(t *testing.T) {
	for _, secret := range []string{key, access, signed} {
		for at := chunk - len(secret) - ahead - 2; at < chunk+ahead+behind+2; at += 37 {
			text := strings.Repeat("-", at) + secret + strings.Repeat("-", chunk)
			if got := in(t, strings.NewReader(text)); len(got) != 1 || got[0].Column != at+1 || got[0].Line != 1 {
				t.Fatalf("at %d: %v", at, got)
			}
		}
		many := strings.Repeat(secret+"\n", 3000)
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(many), "halves": iotest.HalfReader(strings.NewReader(many)), "bytes": iotest.OneByteReader(strings.NewReader(many)),
			"data with its end": iotest.DataErrReader(strings.NewReader(many)),
		} {
			got := in(t, r)
			if len(got) != 3000 || got[2999].Line != 3000 || got[2999].Column != 1 {
				t.Errorf("%s: %d findings", name, len(got))
			}
		}
	}
}

func TestReaderThatFails(t *testing.T) {
	err := Reader("f", iotest.ErrReader(errors.New("disk")), func(Finding) {})
	if err == nil || !strings.Contains(err.Error(), "disk") {
		t.Errorf("%v", err)
	}
}

func TestTree(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("a/.env", "KEY="+key, 0o644)
	write("b.log", access, 0o644)
	write("c.bin", "ELF\x00"+key, 0o644)
	write("empty", "", 0o644)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	var got []string
	seen, err := Tree(dir, func(f Finding) { got = append(got, f.Name) })
	want := []string{filepath.Join(dir, "a/.env"), filepath.Join(dir, "b.log")}
	if err != nil || !slices.Equal(got, want) || seen != (Seen{Files: 3, Binary: 1}) {
		t.Errorf("%v, %+v, %v", got, seen, err)
	}
	got = nil
	if _, err := Tree(filepath.Join(dir, "link"), func(f Finding) { got = append(got, f.Name) }); err != nil || len(got) != 1 {
		t.Errorf("a file: %v, %v", got, err)
	}
	if _, err := Tree(filepath.Join(dir, "nothing"), func(Finding) {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is not there: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("x " + key + "\n" + access + signed))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := Reader("f", iotest.HalfReader(bytes.NewReader(text)), func(got Finding) {
			line := bytes.Split(text, []byte("\n"))[got.Line-1]
			if got.Column < 1 || got.Column > len(line) {
				t.Errorf("%v is not in its line of %d bytes", got, len(line))
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}
