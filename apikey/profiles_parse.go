package apikey

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/watchgate/watchgate/internal/catalogue"
	"github.com/watchgate/watchgate/internal/catalogue/strictyaml"
	"github.com/watchgate/watchgate/storage"
)

// What a profile may say.
const (
	maxProfiles    = 50
	maxPrefix      = 20 // bytes
	maxProfileName = 32 // bytes
	maxKeys        = 1_000_000
	maxRequests    = 1_000_000
	longestGrace   = 7 * day
	longestReveal  = day
	shortestLife   = time.Minute
)

var (
	profileName = regexp.MustCompile(`^[a-z][a-z0-9]*([_-][a-z0-9]+)*$`)
	prefixForm  = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*_$`)
)

// ParseProfiles reads the part of a product file that is about keys; a nil node is
// [DefaultProfiles]. A nil catalogue knows every scope. The error is
// [catalogue.Problems]: everything that is wrong, by line.
func ParseProfiles(node *yaml.Node, cat *catalogue.Catalogue, file string) (*Profiles, error) {
	if node == nil {
		return DefaultProfiles(), nil
	}
	notes := strictyaml.NewNotes(file)
	p := &Profiles{byName: map[string]Profile{}}
	p.read(strictyaml.Read(notes, node, "keys"), cat)
	if err := notes.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Profiles) read(n strictyaml.Node, cat *catalogue.Catalogue) {
	parts := n.Group("default", "profiles")
	all, ok := parts["profiles"]
	if !ok {
		n.Problem("profiles are missing")
		return
	}
	entries := all.Entries()
	switch {
	case len(entries) == 0:
		if all.IsGroup() {
			all.Problem("name at least one profile")
		}
		return
	case len(entries) > maxProfiles:
		all.Problem("there are more than %d profiles", maxProfiles)
		return
	}
	prefixes := map[string]strictyaml.Node{}
	for _, e := range entries {
		r := profileReader{Profile: plainProfile(e.Name), at: e, cat: cat, unread: map[string]bool{}}
		r.read(prefixes)
		p.byName[e.Name] = r.Profile
	}
	p.normal = entries[0].Name
	p.readDefault(n, parts, len(entries))
}

func (p *Profiles) readDefault(n strictyaml.Node, parts strictyaml.Group, count int) {
	at, ok := parts["default"]
	if !ok {
		if count > 1 {
			n.Problem("default is missing: say which profile is meant when a request names none")
		}
		return
	}
	name, ok := at.Text()
	if _, known := p.byName[name]; ok && !known {
		at.Problem("there is no profile %q", name)
	}
	p.normal = name
}

// profileReader reads one profile. What a rule of the file is about stands in said,
// so that a problem can name its line.
type profileReader struct {
	Profile
	at   strictyaml.Node
	said strictyaml.Group
	cat  *catalogue.Catalogue
	// unread are the keys whose values could not be read: no rule about them is
	// looked at, so that a mistake is told once.
	unread map[string]bool
}

// try notes that a key could not be read if reading it finds a problem.
func (r *profileReader) try(key string, read func()) {
	noted := r.at.Noted()
	if read(); r.at.Noted() > noted {
		r.unread[key] = true
	}
}

// sure reports whether what the file says under all of these keys is known.
func (r *profileReader) sure(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return r.unread[key] })
}

var profileKeys = []string{
	"prefix", "format", "scopes", "allowed_scopes", "lifetimes", "default_lifetime", "max_lifetime", "create", "service_keys", "account_keys",
	"verified_email", "mfa", "mfa_max_age", "max_per_owner", "headers", "reveal", "rotation", "allowed_ips", "rate", "https_only",
}

func (r *profileReader) read(prefixes map[string]strictyaml.Node) {
	if len(r.Name) > maxProfileName || !profileName.MatchString(r.Name) {
		r.at.Problem("%q is no name of a profile: use lower-case letters and digits, joined by - or _, at most %d", r.Name, maxProfileName)
	}
	if r.said = r.at.Group(profileKeys...); !r.at.IsGroup() {
		return
	}
	r.readForm(prefixes)
	r.readScopes()
	r.readLifetimes()
	r.readMakers()
	r.readHeaders()
	r.readReveal()
	r.readRotation()
	r.readUse()
}

// readForm reads what a key looks like.
func (r *profileReader) readForm(prefixes map[string]strictyaml.Node) {
	r.try("format", func() { choice(r.said, "format", &r.Format, Opaque, JWT) })
	n, ok := r.said["prefix"]
	switch {
	case r.Format == JWT && ok:
		n.Problem("a JWT has no prefix")
	case r.Format == Opaque && !ok && r.sure("format"):
		r.at.Problem("prefix is missing: it says whose key it is, as acme_live_")
	case ok:
		if r.Prefix, ok = n.Text(); ok {
			checkPrefix(n, r.Prefix, prefixes)
		}
	}
}

// checkPrefix refuses what could be taken for something else. Two prefixes of which
// one starts with the other are refused, too: whoever sees a key, a person or a
// scanner, knows by its start which kind it is.
func checkPrefix(n strictyaml.Node, prefix string, others map[string]strictyaml.Node) {
	switch {
	case len(prefix) < 2 || len(prefix) > maxPrefix || !prefixForm.MatchString(prefix):
		n.Problem("%q is no prefix: use 2 to %d lower-case letters, digits and _, a letter first, _ last and never twice in a row", prefix, maxPrefix)
		return
	case strings.HasPrefix(prefix, "wg"):
		n.Problem("%q: prefixes that start with wg are Watchgate's own", prefix)
	}
	for other, at := range others {
		switch {
		case other == prefix:
			n.Problem("the prefix %q is another profile's already, in line %d", prefix, at.Line)
		case strings.HasPrefix(prefix, other), strings.HasPrefix(other, prefix):
			n.Problem("%q and %q (line %d) start alike: one prefix is the whole start of the other", prefix, other, at.Line)
		}
	}
	others[prefix] = n
}

func (r *profileReader) readScopes() {
	if n, ok := r.said["allowed_scopes"]; ok {
		r.try("allowed_scopes", func() { r.AllowedScopes = r.scopes(n) })
		if n.EmptyList() {
			n.Problem("a key could have no scope: name some, or leave it out to allow all")
		}
	}
	n, ok := r.said["scopes"]
	if !ok {
		return
	}
	r.Scopes = r.scopes(n)
	for _, s := range r.Scopes {
		if r.sure("allowed_scopes") && r.cat.Known(s) && !r.Allows(s) {
			n.Problem("%q is not among allowed_scopes", s)
		}
	}
}

func (r *profileReader) scopes(n strictyaml.Node) []string {
	items := n.Texts()
	for _, item := range items {
		if !r.cat.Known(item.Value) {
			item.Problem("there is no scope %q", item.Value)
		}
	}
	return strictyaml.Values(items)
}

// readMakers reads who may make a key.
func (r *profileReader) readMakers() {
	choice(r.said, "create", &r.Create, storage.RoleOwner, storage.RoleAdmin, storage.RoleMember)
	flag(r.said, "service_keys", &r.ServiceKeys)
	flag(r.said, "account_keys", &r.AccountKeys)
	flag(r.said, "verified_email", &r.VerifiedEmail)
	r.try("mfa", func() { flag(r.said, "mfa", &r.MFA) })
	if r.ServiceKeys && r.AccountKeys {
		r.said["service_keys"].Problem("account_keys says it already, and lets only people make them: keep one")
	}
	if r.ServiceKeys && (r.MFA || r.VerifiedEmail) {
		r.said["service_keys"].Problem("a machine proves no second factor and has no address: mfa and verified_email would be no protection")
	}
	if n, ok := r.said["mfa_max_age"]; ok {
		r.MFAMaxAge = between(n, shortestLife, longest)
		if !r.MFA && r.sure("mfa") {
			n.Problem("it says nothing without mfa: true")
		}
	}
	if n, ok := r.said["max_per_owner"]; ok {
		r.MaxPerOwner = n.Count(maxKeys)
	}
}

func (r *profileReader) readHeaders() {
	n, ok := r.said["headers"]
	if !ok {
		return
	}
	r.Headers = nil
	for _, item := range n.Texts() {
		h := Header(item.Value)
		if h != HeaderBearer && h != HeaderXAPIKey {
			item.Problem("%q is none of bearer, x-api-key", item.Value)
		}
		r.Headers = append(r.Headers, h)
	}
	if n.EmptyList() {
		n.Problem("nobody could present a key: name bearer, x-api-key or both")
	}
}

// readReveal reads whether a key can be shown again: one that is kept nowhere cannot.
func (r *profileReader) readReveal() {
	n, ok := r.said["reveal"]
	if !ok {
		return
	}
	parts := n.Group("allowed", "max_age")
	flag(parts, "allowed", &r.Reveal)
	if r.Reveal && r.Format != JWT && r.sure("format") {
		n.Problem("only a JWT can be made again: of an opaque key nothing is kept but its hash")
	}
	if n, ok := parts["max_age"]; ok {
		r.RevealMaxAge = between(n, time.Second, longestReveal)
	}
}

// readUse reads what holds for each use of a key.
func (r *profileReader) readUse() {
	choice(r.said, "allowed_ips", &r.AllowedIPs, AddressesOptional, AddressesRequired, AddressesNone)
	flag(r.said, "https_only", &r.HTTPSOnly)
	n, ok := r.said["rate"]
	if !ok {
		return
	}
	parts := n.Group("requests", "per", "burst")
	for _, name := range []string{"requests", "per"} {
		if _, ok := parts[name]; !ok {
			n.Problem("%s is missing", name)
		}
	}
	if n, ok := parts["requests"]; ok {
		r.Rate.Requests = n.Count(maxRequests)
	}
	if n, ok := parts["per"]; ok {
		r.Rate.Per = between(n, time.Second, day)
	}
	r.Rate.Burst = r.Rate.Requests
	if n, ok := parts["burst"]; ok {
		r.Rate.Burst = n.Count(maxRequests)
		if r.Rate.Requests > 0 && r.Rate.Burst > r.Rate.Requests {
			n.Problem("more at once than in the whole time")
		}
	}
}

// choice reads one of some words into to, which keeps what it is where nothing is said.
func choice[T ~string](g strictyaml.Group, key string, to *T, words ...T) {
	n, ok := g[key]
	if !ok {
		return
	}
	text, ok := n.Text()
	if !ok {
		return
	}
	if slices.Contains(words, T(text)) {
		*to = T(text)
		return
	}
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	n.Problem("%q is none of %s", text, strings.Join(all, ", "))
}

// flag reads true or false into to, which keeps what it is where nothing is said.
func flag(g strictyaml.Group, key string, to *bool) {
	if n, ok := g[key]; ok {
		*to = n.Flag()
	}
}
