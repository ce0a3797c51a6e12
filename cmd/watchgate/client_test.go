package main

import (
	"strings"
	"testing"
)

func TestClientIsChangedByCommand(t *testing.T) {
	o := newOperator(t)
	o.row("client", "create", "--id", "board", "--name", "Board", "--auth", "none", "--redirect", "https://board.example/callback",
		"--post-logout-redirect", "https://board.example/", "--backchannel-logout-uri", "https://board.example/ended")
	for _, c := range []struct {
		flags []string
		want  map[string]string
	}{
		{[]string{"--name", "Status board"}, map[string]string{"name": "Status board", "redirect URIs": "https://board.example/callback"}},
		{[]string{"--redirect", "https://a.example/cb", "--redirect", "https://b.example/cb,x"}, map[string]string{
			"redirect URIs": "https://a.example/cb https://b.example/cb,x", "after a sign-out": "https://board.example/",
		}},
		{[]string{"--post-logout-redirect", ""}, map[string]string{"after a sign-out": "", "logout tokens go to": "https://board.example/ended"}},
		{[]string{"--backchannel-logout-uri", ""}, map[string]string{"logout tokens go to": "", "name": "Status board"}},
	} {
		row := o.row(append([]string{"client", "set", "board"}, c.flags...)...)
		for what, want := range c.want {
			if row[what] != want {
				t.Errorf("%v: %s is %q, want %q", c.flags, what, row[what], want)
			}
		}
	}
	for word, flags := range map[string][]string{
		"say what changes": {}, "at least one redirect URI": {"--redirect", ""}, "is refused": {"--redirect", "http://board.example/callback"},
		"https URL": {"--backchannel-logout-uri", "ftp://x"},
	} {
		if said := o.call(append([]string{"client", "set", "board"}, flags...)...); said.code != 1 || !strings.Contains(said.err, word) {
			t.Errorf("%v: %+v, want %q", flags, said, word)
		}
	}
	if said := o.call("client", "set", "nobody", "--name", "x"); said.code != 1 {
		t.Errorf("%+v", said)
	}
	if row := o.row("client", "set", "board", "--name", "Board"); row["redirect URIs"] != "https://a.example/cb https://b.example/cb,x" {
		t.Errorf("a refused change left %v", row)
	}
}

// A list of connections fits a terminal.
func TestListOfConnectionsIsNotWide(t *testing.T) {
	o := newOperator(t)
	o.connect("entra")
	o.connect("okta")
	for line := range strings.Lines(o.call("connection", "list", "acme").out) {
		if len(line) > 120 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
}
