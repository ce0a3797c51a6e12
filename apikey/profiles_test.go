package apikey

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/storage"
)

const profileScopes = `
scopes:
  "monitor:read": {description: "See your monitors"}
  "monitor:write": {description: "Change your monitors"}
roles: {owner: ["*"]}
`

// profilesOf reads the part of a file that is about keys.
func profilesOf(t *testing.T, keys string) (*Profiles, error) {
	t.Helper()
	f, err := catalogue.Parse("product.yaml", []byte(profileScopes))
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(keys), &doc); err != nil {
		t.Fatal(err)
	}
	return ParseProfiles(doc.Content[0], f.Catalogue, "product.yaml")
}

func TestProfileSaysEverything(t *testing.T) {
	all, err := profilesOf(t, `
default: live
profiles:
  live:
    prefix: up_live_
    format: opaque
    scopes: ["monitor:read"]
    allowed_scopes: ["monitor:read", "api-keys:read"]
    lifetimes: [never, 30d, 6mo, 1y, 720h30m]
    default_lifetime: 6mo
    create: admin
    verified_email: true
    mfa: true
    mfa_max_age: 1h
    max_per_owner: 10
    headers: [x-api-key]
    reveal: {allowed: false}
    rotation: {every: 90d, grace: 72h, max_grace: 7d, warn_before: 24h}
    allowed_ips: required
    rate: {requests: 600, per: 1m, burst: 100}
    https_only: true
  session:
    format: jwt
    create: owner
    service_keys: true
    max_lifetime: 30d
    reveal: {allowed: true, max_age: 10m}
    rotation: {grace: 0, max_grace: 0h}
    rate: {requests: 5, per: 1s}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Profile{
		Name: "live", Prefix: "up_live_", Format: Opaque,
		Scopes: []string{"monitor:read"}, AllowedScopes: []string{"monitor:read", "api-keys:read"},
		Lifetimes:       []time.Duration{0, 30 * day, 180 * day, 365 * day, 30*day + 30*time.Minute},
		DefaultLifetime: 180 * day, Create: storage.RoleAdmin, VerifiedEmail: true, MFA: true, MFAMaxAge: time.Hour, MaxPerOwner: 10,
		Headers: []Header{HeaderXAPIKey}, RevealMaxAge: 5 * time.Minute,
		Rotation:   Rotation{Every: 90 * day, Grace: 72 * time.Hour, MaxGrace: 7 * day, WarnBefore: day},
		AllowedIPs: AddressesRequired, Rate: limit.Rate{Requests: 600, Per: time.Minute, Burst: 100}, HTTPSOnly: true,
	}
	if diff := cmp.Diff(want, all.Default()); diff != "" {
		t.Errorf("live (-want +got):\n%s", diff)
	}
	want = Profile{
		Name: "session", Format: JWT, Create: storage.RoleOwner, ServiceKeys: true, MaxLifetime: 30 * day, DefaultLifetime: 30 * day,
		Headers: []Header{HeaderBearer, HeaderXAPIKey}, Reveal: true, RevealMaxAge: 10 * time.Minute,
		AllowedIPs: AddressesOptional, Rate: limit.Rate{Requests: 5, Per: time.Second, Burst: 5},
	}
	if got, ok := all.Profile("session"); !ok || !cmp.Equal(got, want) {
		t.Errorf("session (-want +got):\n%s", cmp.Diff(want, got))
	}
	if _, ok := all.Profile("test"); ok || len(all.All()) != 2 || all.All()[0].Name != "live" {
		t.Errorf("there are %v", all.All())
	}
}

func TestProfileThatSaysNextToNothing(t *testing.T) {
	all, err := profilesOf(t, "profiles: {only: {prefix: k_}}")
	if err != nil {
		t.Fatal(err)
	}
	want := Profile{
		Name: "only", Prefix: "k_", Format: Opaque, Create: storage.RoleMember, AllowedIPs: AddressesOptional, DefaultLifetime: 90 * day,
		Headers: []Header{HeaderBearer, HeaderXAPIKey}, RevealMaxAge: 5 * time.Minute, Rotation: Rotation{MaxGrace: 7 * day},
	}
	if diff := cmp.Diff(want, all.Default()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryProblemOfTheProfilesIsReportedAtOnceWithItsLine(t *testing.T) {
	_, err := profilesOf(t, `default: prod
profiles:
  Live: {prefix: up_live_, colour: red}
  same: {prefix: up_live_}
  alike: {prefix: up_}
  own: {prefix: wgat_}
  bad: {prefix: UP-}
  none: {}
  token: {format: jwt, prefix: tok_}
  paper: {format: paper, prefix: pa_, create: viewer, allowed_ips: maybe}
  scoped: {prefix: sc_, scopes: ["monitor:write", "monitor:fly"], allowed_scopes: ["monitor:read"]}
  empty: {prefix: em_, allowed_scopes: [], lifetimes: [], headers: []}
  short:
    prefix: sh_
    lifetimes: [1s, 30d, 1mo, 1y, never]
    max_lifetime: 90d
    default_lifetime: 60d
  long:
    prefix: lo_
    max_lifetime: never
    default_lifetime: 4 weeks
  unsaid: {prefix: un_, lifetimes: [30d, 60d]}
  over: {prefix: ov_, max_lifetime: 30d, default_lifetime: never}
  makers: {prefix: ma_, service_keys: true, mfa: true, max_per_owner: 0}
  age: {prefix: ag_, mfa_max_age: 1h, headers: [cookie]}
  shown: {prefix: sn_, reveal: {allowed: true, max_age: 48h}}
  rate: {prefix: ra_, rate: {requests: 10, burst: 20}}
  rates: {prefix: rt_, rate: {requests: 1.5, per: 1ms}}
`)
	want := []string{
		`1: keys.default: there is no profile "prod"`,
		`3: keys.profiles.Live: "Live" is no name of a profile: use lower-case letters and digits, joined by - or _, at most 32`,
		`3: keys.profiles.Live.colour: no such key; there are ` + strings.Join(profileKeys, ", "),
		`4: keys.profiles.same.prefix: the prefix "up_live_" is another profile's already, in line 3`,
		`5: keys.profiles.alike.prefix: "up_" and "up_live_" (line 4) start alike: one prefix is the whole start of the other`,
		`6: keys.profiles.own.prefix: "wgat_": prefixes that start with wg are Watchgate's own`,
		`7: keys.profiles.bad.prefix: "UP-" is no prefix: use 2 to 20 lower-case letters, digits and _, a letter first, _ last and never twice in a row`,
		`8: keys.profiles.none: prefix is missing: it says whose key it is, as acme_live_`,
		`9: keys.profiles.token.prefix: a JWT has no prefix`,
		`10: keys.profiles.paper.format: "paper" is none of opaque, jwt`,
		`10: keys.profiles.paper.create: "viewer" is none of owner, admin, member`,
		`10: keys.profiles.paper.allowed_ips: "maybe" is none of optional, required, none`,
		`11: keys.profiles.scoped.scopes: there is no scope "monitor:fly"`,
		`11: keys.profiles.scoped.scopes: "monitor:write" is not among allowed_scopes`,
		`12: keys.profiles.empty.allowed_scopes: a key could have no scope: name some, or leave it out to allow all`,
		`12: keys.profiles.empty.lifetimes: no key could be made: name some, or leave it out for a free choice`,
		`12: keys.profiles.empty.headers: nobody could present a key: name bearer, x-api-key or both`,
		`15: keys.profiles.short.lifetimes: a key that lives for less than 1m is of no use`,
		`15: keys.profiles.short.lifetimes: 1mo is as long as another of them`,
		`15: keys.profiles.short.lifetimes: 1y is longer than max_lifetime`,
		`15: keys.profiles.short.lifetimes: never is longer than max_lifetime`,
		`17: keys.profiles.short.default_lifetime: it is none of the lifetimes`,
		`20: keys.profiles.long.max_lifetime: for ever is no limit: leave it out`,
		`21: keys.profiles.long.default_lifetime: "4 weeks": a length of time is a number with a unit, as 30d, 6mo, 1y or 720h, at most 100y; or never`,
		`22: keys.profiles.unsaid: default_lifetime is missing: say which of the lifetimes is meant when a request names none`,
		`23: keys.profiles.over.default_lifetime: it is longer than max_lifetime`,
		`24: keys.profiles.makers.service_keys: a machine proves no second factor and has no address: mfa and verified_email would be no protection`,
		`24: keys.profiles.makers.max_per_owner: a whole number from 1 to 1000000 belongs here, not "0"`,
		`25: keys.profiles.age.mfa_max_age: it says nothing without mfa: true`,
		`25: keys.profiles.age.headers: "cookie" is none of bearer, x-api-key`,
		`26: keys.profiles.shown.reveal: only a JWT can be made again: of an opaque key nothing is kept but its hash`,
		`26: keys.profiles.shown.reveal.max_age: "48h" is not between 1s and 1d`,
		`27: keys.profiles.rate.rate: per is missing`,
		`27: keys.profiles.rate.rate.burst: more at once than in the whole time`,
		`28: keys.profiles.rates.rate.requests: a whole number from 1 to 1000000 belongs here, not "1.5"`,
		`28: keys.profiles.rates.rate.per: "1ms" is not between 1s and 1d`,
	}
	if diff := cmp.Diff(want, linesOf(t, err)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestProblemOfAProfileIsToldOnce: no rule is looked at about what could not be read.
func TestProblemOfAProfileIsToldOnce(t *testing.T) {
	_, err := profilesOf(t, `default: one
profiles:
  one: {prefix: one_, lifetimes: [30 days, 60d], max_lifetime: 90d, default_lifetime: 30d}
  two: {prefix: two_, lifetimes: [1y], max_lifetime: 3 months, default_lifetime: 1y}
  three: {prefix: three_, max_lifetime: 90d, default_lifetime: soon, rotation: {every: 80d, grace: 7d, max_grace: 7d}}
  four: {prefix: four_, rotation: {every: quarterly, grace: 72h, max_grace: 7d, warn_before: 1h}}
  five: {prefix: five_, default_lifetime: never, rotation: {every: 90d, grace: 1 day, warn_before: 1h}}
  six: {prefix: six_, default_lifetime: never, rotation: {every: 90d, grace: 24h, max_grace: a week}}
  seven: {format: jason, reveal: {allowed: true}}
  eight: {prefix: eight_, scopes: ["monitor:read"], allowed_scopes: "monitor:read"}
  nine: {prefix: nine_, mfa: sure, mfa_max_age: 1h}
  ten: "a profile"
`)
	const age = ": a length of time is a number with a unit, as 30d, 6mo, 1y or 720h, at most 100y"
	want := []string{
		`3: keys.profiles.one.lifetimes: "30 days"` + age + "; or never",
		`4: keys.profiles.two.max_lifetime: "3 months"` + age,
		`5: keys.profiles.three.default_lifetime: "soon"` + age + "; or never",
		`6: keys.profiles.four.rotation.every: "quarterly"` + age,
		`7: keys.profiles.five.rotation.grace: "1 day"` + age,
		`8: keys.profiles.six.rotation.max_grace: "a week"` + age,
		`9: keys.profiles.seven.format: "jason" is none of opaque, jwt`,
		`10: keys.profiles.eight.allowed_scopes: a list in [ ] belongs here, not "monitor:read"`,
		`11: keys.profiles.nine.mfa: true or false belongs here, not "sure"`,
		`12: keys.profiles.ten: keys belong here, not "a profile"`,
	}
	if diff := cmp.Diff(want, linesOf(t, err)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// linesOf are the problems of an error, as "LINE: text".
func linesOf(t *testing.T, err error) []string {
	t.Helper()
	var all catalogue.Problems
	if err != nil && !errors.As(err, &all) {
		t.Fatalf("%T: %v", err, err)
	}
	var out []string
	for _, p := range all {
		out = append(out, fmt.Sprintf("%d: %s", p.Line, p.Text))
	}
	return out
}

func TestKeysThatAreNoProfiles(t *testing.T) {
	for keys, want := range map[string]string{
		"default: live":                        "profiles are missing",
		"profiles: {}":                         "name at least one profile",
		"profiles: [live]":                     "keys belong here, not a list",
		"[]":                                   "keys: keys belong here, not a list",
		"null":                                 "keys: keys belong here, not nothing",
		"profiles: {a: {prefix: a_}, b: null}": "keys.profiles.b: keys belong here, not nothing",
		"profiles: {a: {prefix: a_}, b: {prefix: b_}}":         "default is missing",
		"{default: 1, profiles: {a: {prefix: a_}}}":            "keys.default: a text belongs here",
		"profiles: {a: {prefix: a_, rotation: {grace: \"\"}}}": `"": a length of time`,
	} {
		if _, err := profilesOf(t, keys); !strings.Contains(strings.Join(linesOf(t, err), "\n"), want) {
			t.Errorf("%s: %v, want %q", keys, err, want)
		}
	}
}

func TestRotationThatWouldLoseAKeyIsRefused(t *testing.T) {
	for rotation, want := range map[string]string{
		"every: 90d":                                             "a grace is needed",
		"every: 90d, grace: 0h":                                  "a grace is needed",
		"every: 90d, grace: 8d":                                  "it is longer than max_grace (7d)",
		"every: 1h, grace: 2h":                                   "it is longer than max_grace (1h)",
		"grace: 1h, max_grace: 0h":                               "it is longer than max_grace (0h)",
		"every: 24h, grace: 1h, max_grace: 48h":                  "it is longer than every",
		"grace: 1h, max_grace: 8d":                               `"8d" is not between 0h and 7d`,
		"every: 30d, grace: 24h, warn_before: 24h":               "the warning would come before the rotation",
		"every: 1y, grace: 24h":                                  "a key with the default lifetime ends before its rotation does",
		"every: 90d, grace: 24h":                                 "a key with the default lifetime ends before its rotation does",
		"every: 1m, grace: 30s":                                  "is not between 1h and 100y",
		"every: 30d, grace: 72h, max_grace: 7d, warn_before: 1h": "",
		"every: 2h, grace: 1h":                                   "",
	} {
		_, err := profilesOf(t, "profiles: {a: {prefix: a_, rotation: {"+rotation+"}}}")
		got := strings.Join(linesOf(t, err), "\n")
		if want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", rotation, got, want)
		}
	}
}

// TestAttackPrefixOfAnotherProfile: whoever sees a key, a person or a scanner, has to
// know at one look which kind it is.
func TestAttackPrefixOfAnotherProfile(t *testing.T) {
	for _, c := range []struct {
		one, other string
		refused    bool
	}{
		{"up_live_", "up_test_", false},
		{"up_", "upty_", false},
		{"up_", "up_live_", true},
		{"up_live_", "up_", true},
		{"u_", "u_abcdefghijklmnop_", true}, // what follows looks like a key's id
		{"up_", "up_", true},
	} {
		_, err := profilesOf(t, fmt.Sprintf("{default: a, profiles: {a: {prefix: %s}, b: {prefix: %s}}}", c.one, c.other))
		if (err != nil) != c.refused {
			t.Errorf("%s and %s: %v", c.one, c.other, err)
		}
	}
	for _, prefix := range []string{"up", "_", "u__p_", "1up_", "up-live_", "up.", "wgk_", "wg_", "wgateway_", "a2345678901234567890_", "ü_", `" up_"`} {
		if _, err := profilesOf(t, "profiles: {a: {prefix: "+prefix+"}}"); err == nil {
			t.Errorf("%s is a prefix", prefix)
		}
	}
}

func TestWhoMayMakeAKey(t *testing.T) {
	roles := []storage.Role{storage.RoleOwner, storage.RoleAdmin, storage.RoleMember, storage.RoleViewer, "", "boss"}
	for least, want := range map[storage.Role][]bool{
		storage.RoleOwner:  {true, false, false, false, false, false},
		storage.RoleAdmin:  {true, true, false, false, false, false},
		storage.RoleMember: {true, true, true, false, false, false},
		storage.RoleViewer: {true, true, true, false, false, false},
		"":                 {true, true, true, false, false, false},
	} {
		var got []bool
		for _, r := range roles {
			got = append(got, Profile{Create: least}.MayCreate(r))
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%q: %v, want %v", least, got, want)
		}
	}
}

func TestLifetimesThatAreOffered(t *testing.T) {
	free, bounded := Profile{}, Profile{MaxLifetime: year}
	listed := Profile{Lifetimes: []time.Duration{0, 30 * day}}
	only := Profile{Lifetimes: []time.Duration{180 * day}, MaxLifetime: 180 * day}
	for _, c := range []struct {
		name     string
		profile  Profile
		lifetime time.Duration
		want     bool
	}{
		{"free", free, 0, true}, {"free", free, 50 * year, true}, {"free", free, -1, false},
		{"bounded", bounded, year, true}, {"bounded", bounded, year + 1, false}, {"bounded", bounded, 0, false},
		{"listed", listed, 0, true}, {"listed", listed, 30 * day, true}, {"listed", listed, 29 * day, false},
		{"only", only, 180 * day, true}, {"only", only, day, false}, {"only", only, 0, false},
	} {
		if got := c.profile.Offers(c.lifetime); got != c.want {
			t.Errorf("%s, %s: %t", c.name, c.lifetime, got)
		}
	}
}

func TestLifetimeInWords(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"never": 0, "30d": 30 * day, "6mo": 180 * day, "1y": 365 * day, "100y": 100 * year, "720h": 720 * time.Hour, "90m": 90 * time.Minute,
	} {
		if got, err := ParseLifetime(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "0", "0d", "0h", "-1h", "-5d", "+5d", "d", "mo", "30", "30 d", "1.5d", "101y", "36501d", "4294967296d", "99999999999999999999y",
		"9223372036854775807ns1h", "1y6mo", "30D", "Never", "٣d",
	} {
		if got, err := ParseLifetime(text); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "never", 90 * day: "90d", 2 * year: "2y", 36 * time.Hour: "36h", 90 * time.Minute: "90m", 90 * time.Second: "1m30s",
	} {
		got := FormatLifetime(d)
		if back, err := ParseLifetime(got); got != want || err != nil || back != d {
			t.Errorf("%s: %q, read as %s, %v", d, got, back, err)
		}
	}
}

func TestDeploymentThatDeclaresNoProfileHasOne(t *testing.T) {
	all, err := ParseProfiles(nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	p := all.Default()
	if p.Name != "default" || p.Prefix != "wgk_" || p.Format != Opaque || !p.ServiceKeys || !p.Offers(year) || p.Offers(0) || !p.Allows("anything") {
		t.Errorf("%+v", p)
	}
}

func FuzzParseProfiles(f *testing.F) {
	f.Add("{default: a, profiles: {a: {prefix: a_, rate: {requests: 1, per: 1s}, rotation: {every: 1h, grace: 0}}}}")
	f.Add("profiles: &p {a: {format: jwt, reveal: {allowed: true}, lifetimes: [never, *p], default_lifetime: never}}")
	f.Add("profiles: {a: {prefix: a_, scopes: [x], allowed_scopes: &0 [x], rotation: {grace: *0}, mfa: y}}")
	f.Fuzz(func(t *testing.T, keys string) {
		var doc yaml.Node
		if yaml.Unmarshal([]byte(keys), &doc) != nil || len(doc.Content) == 0 {
			return
		}
		all, err := ParseProfiles(doc.Content[0], nil, "f")
		if err != nil {
			if len(linesOf(t, err)) == 0 || strings.Contains(strings.Join(linesOf(t, err), ""), "\n") {
				t.Fatalf("%q", err)
			}
			return
		}
		for _, p := range append(all.All(), all.Default()) {
			if (p.Prefix == "") != (p.Format == JWT) || !p.Offers(p.DefaultLifetime) || p.Rotation.Grace > p.Rotation.MaxGrace || p.MayCreate(storage.RoleViewer) {
				t.Fatalf("%+v", p)
			}
		}
	})
}
