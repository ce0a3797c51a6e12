package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/examples/profiles"
)

// What the greeting has to paste, by what stands around it.
var (
	tokenScope = regexp.MustCompile(`-d grant_type=client_credentials -d scope=(\S+)`)
	demoPath   = regexp.MustCompile(`demo API  (\S+)`)
	createKey  = regexp.MustCompile(`bin/watchgate key create ci (.*) --server (\S+)\)`)
	tryKey     = regexp.MustCompile(`curl -s (\S+) -H "(\S+): (.*)\$KEY"`)
)

// TestGreetingWorksForEveryProduct does what is printed.
func TestGreetingWorksForEveryProduct(t *testing.T) {
	for _, name := range profiles.Names() {
		t.Run(name, func(t *testing.T) {
			d := startDemonstration(t, "--product", name)
			d.said.mu.Lock()
			text := d.said.text.String()
			d.said.mu.Unlock()
			part := func(r *regexp.Regexp) []string {
				found := r.FindStringSubmatch(text)
				if found == nil {
					t.Fatalf("%s is not in:\n%s", r, text)
				}
				return found[1:]
			}
			path := part(demoPath)[0]
			if status := d.get(path, "Authorization", "Bearer "+d.machine(part(tokenScope)[0])); status != http.StatusOK {
				t.Errorf("a token for %s gets %d at %s", part(tokenScope)[0], status, path)
			}
			key := strings.TrimSpace(d.works(append([]string{"create", "ci"}, strings.Fields(part(createKey)[0])...)...))
			try, want := part(tryKey), http.StatusOK
			if strings.Contains(text, "https only") {
				want = http.StatusUnauthorized
			}
			if status := d.get(try[0], try[1], try[2]+key); status != want || try[0] != path || part(createKey)[1] != d.server {
				t.Errorf("the key gets %d at %s, want %d", status, try[0], want)
			}
			if httpsOnly := name == "uptybots"; httpsOnly != (want == http.StatusUnauthorized) {
				t.Errorf("the greeting says of https:\n%s", text)
			}
		})
	}
}

// machine gets a token as the demonstration's machine.
func (d *demonstrated) machine(scope string) string {
	d.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
	r, err := http.NewRequestWithContext(d.Context(), http.MethodPost, d.server+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		d.Fatal(err)
	}
	r.SetBasicAuth("demo-m2m", demoMachineSecret)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		d.Fatal(err)
	}
	return got.AccessToken
}

// get is the status of a call with one header.
func (d *demonstrated) get(address, header, value string) int {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), http.MethodGet, address, nil)
	if err != nil {
		d.Fatal(err)
	}
	r.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
