package outbound

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"testing"
)

func TestDestinationHasOneSpelling(t *testing.T) {
	for want, spellings := range map[string][]string{
		"idp.example:443":    {"https://idp.example/a", "https://IDP.Example/b", "https://idp.example:443/", "https://idp.example.:443", "https://idp.example:0443"},
		"idp.example:8443":   {"https://idp.example:8443", "https://IDP.EXAMPLE:8443"},
		"127.0.0.1:80":       {"http://127.0.0.1", "http://127.0.0.1:80", "http://[::ffff:127.0.0.1]:80"},
		"[2001:4860::1]:443": {"https://[2001:4860::1]", "https://[2001:4860:0:0::1]:443"},
	} {
		for _, s := range spellings {
			u, err := url.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			if got := destination(u); got != want {
				t.Errorf("%s goes to %s, want %s", s, got, want)
			}
		}
	}
}

// TestSpellingsOfOneHostShareItsLimits: a tenant that writes a provider's name
// in another case gets no second allowance.
func TestSpellingsOfOneHostShareItsLimits(t *testing.T) {
	c := New(Config{Timeout: 1})
	for _, s := range []string{"https://idp.example/", "https://IDP.example/", "https://idp.example:443/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := c.HTTP(100, 0).Do(req); err == nil {
			resp.Body.Close()
			t.Errorf("%s: an answer within a nanosecond", s)
		}
	}
	if n := len(c.lanes.by); n != 1 {
		t.Errorf("%d destinations, want 1", n)
	}
}

func TestCheckIsThePolicyWithoutAConnection(t *testing.T) {
	denied := []netip.Prefix{netip.MustParsePrefix("1.1.1.0/24")}
	production, development := New(Config{Ports: []int{8443}, Deny: denied}), New(dev)
	for raw, want := range map[string][2]bool{ // production, development
		"https://idp.example/keys":      {true, true},
		"https://idp.example:8443/keys": {true, false},
		"https://idp.example:22/":       {false, false},
		"http://idp.example/":           {false, false},
		"https://u:p@idp.example/":      {false, false},
		"https://10.0.0.1/":             {false, false},
		"https://[fd00::1]/":            {false, false},
		"https://1.1.1.1/":              {false, true},
		"http://127.0.0.1:8081/":        {false, true},
		"javascript:alert(1)":           {false, false},
		"https://\x00":                  {false, false},
		"":                              {false, false},
	} {
		for i, c := range []*Client{production, development} {
			if err := c.Check(raw); (err == nil) != want[i] || (err != nil && !errors.Is(err, ErrRefused)) {
				t.Errorf("%q, client %d: %v, want accepted = %v", raw, i, err, want[i])
			}
		}
	}
}
