package devidp

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"strings"

	"github.com/watchgate/watchgate/templates"
)

// person is somebody who can be played.
type person struct {
	login      string // the e-mail address, and the value of the button
	given      string
	middle     string
	family     string
	nickname   string
	gender     string
	birthdate  string
	zoneinfo   string
	locale     string
	phone      string
	street     string
	city       string
	region     string
	postalCode string
	country    string
	role       string
	company    string
}

// The names of the two companies, as the demonstration's tenants have them.
const (
	acmeName   = "Acme Monitoring"
	globexName = "Globex Corporation"
)

// people are the demo persons. The names under .test and the numbers with 555-01
// belong to nobody (RFC 6761 section 6.2).
var people = []person{
	{
		login: "alice@acme.test", given: "Alice", middle: "Marie", family: "Archer", nickname: "Ali", gender: "female",
		birthdate: "1984-03-12", zoneinfo: "Europe/Berlin", locale: "en-GB", phone: "+12025550101",
		street: "1 Signal Street", city: "Berlin", region: "Berlin", postalCode: "10115", country: "DE", role: "owner", company: acmeName,
	},
	{
		login: "bob@acme.test", given: "Bob", middle: "Karl", family: "Brandt", nickname: "Bobby", gender: "male",
		birthdate: "1990-07-30", zoneinfo: "Europe/Vienna", locale: "de-AT", phone: "+12025550102",
		street: "22 Probe Lane", city: "Vienna", region: "Vienna", postalCode: "1010", country: "AT", role: "member", company: acmeName,
	},
	{
		login: "victor@acme.test", given: "Victor", middle: "Hugo", family: "Vance", nickname: "Vic", gender: "male",
		birthdate: "1978-11-05", zoneinfo: "America/New_York", locale: "en-US", phone: "+12025550103",
		street: "350 Uptime Avenue", city: "New York", region: "NY", postalCode: "10118", country: "US", role: "viewer", company: acmeName,
	},
	{
		login: "carol@globex.test", given: "Carol", middle: "Ines", family: "Castillo", nickname: "Caro", gender: "female",
		birthdate: "1987-01-21", zoneinfo: "Europe/Madrid", locale: "es-ES", phone: "+12025550104",
		street: "4 Calle del Monitor", city: "Madrid", region: "Madrid", postalCode: "28001", country: "ES", role: "owner", company: globexName,
	},
}

// updatedAt is when the demo people were last changed, in seconds since 1970.
const updatedAt = 1767225600

// name is how everybody calls the person: the middle name is a claim of its own.
func (p person) name() string { return p.given + " " + p.family }

// subject is the same at every start, and is no e-mail address.
func (p person) subject() string {
	sum := sha256.Sum256([]byte("demo person " + p.login))
	return base64.RawURLEncoding.EncodeToString(sum[:15])
}

// profile returns every claim of the scope profile (Core section 5.4), and role.
func (p person) profile() map[string]any {
	site := "https://" + p.tenant() + ".test/people/" + strings.ToLower(p.given)
	return map[string]any{
		"name": p.name(), "given_name": p.given, "middle_name": p.middle, "family_name": p.family,
		"nickname": p.nickname, "preferred_username": strings.ToLower(p.given),
		"profile": site, "picture": site + ".png", "website": "https://" + strings.ToLower(p.given) + ".test/",
		"gender": p.gender, "birthdate": p.birthdate, "zoneinfo": p.zoneinfo, "locale": p.locale,
		"updated_at": updatedAt, "role": p.role,
	}
}

// address is the claim of Core section 5.1.1.
func (p person) address() map[string]any {
	return map[string]any{
		"formatted":      p.street + "\n" + p.postalCode + " " + p.city + "\n" + p.country,
		"street_address": p.street, "locality": p.city, "region": p.region,
		"postal_code": p.postalCode, "country": p.country,
	}
}

// claims returns what the scopes open (Core section 5.4), without sub.
func (p person) claims(scopes []string) map[string]any {
	out := map[string]any{}
	for _, s := range scopes {
		switch s {
		case "profile":
			maps.Copy(out, p.profile())
		case "email":
			out["email"], out["email_verified"] = p.login, true
		case "phone":
			out["phone_number"], out["phone_number_verified"] = p.phone, true
		case "address":
			out["address"] = p.address()
		}
	}
	return out
}

// tenant is the label of the person's e-mail domain: acme of acme.test.
func (p person) tenant() string {
	_, domain, _ := strings.Cut(p.login, "@")
	return strings.TrimSuffix(domain, ".test")
}

// peopleOf returns a tenant's people.
func peopleOf(tenant string) []person {
	var out []person
	for _, p := range people {
		if p.tenant() == tenant {
			out = append(out, p)
		}
	}
	return out
}

// find returns the tenant's person of that login.
func find(tenant, login string) (person, bool) {
	for _, p := range peopleOf(tenant) {
		if p.login == login {
			return p, true
		}
	}
	return person{}, false
}

// People returns all demo people as pages show them.
func People() []templates.DemoPerson { return shown(people) }

func shown(list []person) []templates.DemoPerson {
	out := make([]templates.DemoPerson, len(list))
	for i, p := range list {
		out[i] = templates.DemoPerson{Login: p.login, Name: p.name(), Role: p.role, Tenant: p.company}
	}
	return out
}
