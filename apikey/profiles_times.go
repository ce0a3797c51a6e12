package apikey

import (
	"slices"
	"time"

	"github.com/watchgate/watchgate/internal/catalogue/strictyaml"
)

// usualLifetime is a key's where nobody says anything, the file included.
const usualLifetime = 90 * day

// readLifetimes reads how long a key may live.
func (r *profileReader) readLifetimes() {
	if n, ok := r.said["max_lifetime"]; ok {
		if n.Is("never") {
			n.Problem("for ever is no limit: leave it out")
		} else {
			r.try("max_lifetime", func() { r.MaxLifetime = between(n, shortestLife, longest) })
		}
	}
	if n, ok := r.said["lifetimes"]; ok {
		r.readChoices(n)
	}
	r.readDefaultLifetime()
}

func (r *profileReader) readDefaultLifetime() {
	n, ok := r.said["default_lifetime"]
	switch {
	case ok:
		text, read := n.Text()
		if read {
			r.DefaultLifetime, read = lifetime(n, text)
		}
		r.unread["default_lifetime"] = !read
		r.checkDefault(n)
	case len(r.Lifetimes) > 1:
		r.at.Problem("default_lifetime is missing: say which of the lifetimes is meant when a request names none")
	case len(r.Lifetimes) == 1:
		r.DefaultLifetime = r.Lifetimes[0]
	case r.MaxLifetime > 0:
		r.DefaultLifetime = min(usualLifetime, r.MaxLifetime)
	default:
		r.DefaultLifetime = usualLifetime
	}
}

func (r *profileReader) readChoices(n strictyaml.Node) {
	r.Lifetimes = []time.Duration{}
	var items []strictyaml.Item
	r.try("lifetimes", func() { items = n.Texts() })
	for _, item := range items {
		d, read := lifetime(item.Node, item.Value)
		switch {
		case !read:
			r.unread["lifetimes"] = true
		case slices.Contains(r.Lifetimes, d):
			item.Problem("%s is as long as another of them", item.Value)
		case r.sure("max_lifetime") && r.MaxLifetime > 0 && (d == 0 || d > r.MaxLifetime):
			item.Problem("%s is longer than max_lifetime", item.Value)
		}
		r.Lifetimes = append(r.Lifetimes, d)
	}
	if n.EmptyList() {
		n.Problem("no key could be made: name some, or leave it out for a free choice")
	}
}

func (r *profileReader) checkDefault(n strictyaml.Node) {
	switch d := r.DefaultLifetime; {
	case !r.sure("default_lifetime"):
	case r.sure("lifetimes") && r.Lifetimes != nil && !slices.Contains(r.Lifetimes, d):
		n.Problem("it is none of the lifetimes")
	case r.sure("max_lifetime") && r.MaxLifetime > 0 && (d == 0 || d > r.MaxLifetime):
		n.Problem("it is longer than max_lifetime")
	}
}

// readRotation reads how a key is followed by another.
func (r *profileReader) readRotation() {
	n, ok := r.said["rotation"]
	if !ok {
		return
	}
	parts, rot := n.Group("every", "grace", "max_grace", "warn_before"), &r.Rotation
	if n, ok := parts["every"]; ok {
		r.try("every", func() { rot.Every = between(n, time.Hour, longest) })
		rot.MaxGrace = min(longestGrace, max(rot.Every, time.Hour))
	}
	if n, ok := parts["max_grace"]; ok {
		r.try("max_grace", func() { rot.MaxGrace = between(n, 0, longestGrace) })
	}
	if n, ok := parts["grace"]; ok {
		r.try("grace", func() { rot.Grace = between(n, 0, longest) })
	}
	rot.WarnBefore = min(day, rot.Grace/2)
	if n, ok := parts["warn_before"]; ok {
		r.try("warn_before", func() { rot.WarnBefore = between(n, time.Second, longest) })
	}
	r.checkGrace(n, parts)
	r.checkEvery(n, parts)
}

func (r *profileReader) checkGrace(n strictyaml.Node, parts strictyaml.Group) {
	rot := r.Rotation
	if rot.Grace > rot.MaxGrace && r.sure("grace", "max_grace", "every") {
		blame(parts, n, "grace").Problem("it is longer than max_grace (%s)", spell(rot.MaxGrace))
	}
	if _, ok := parts["warn_before"]; ok && rot.WarnBefore >= rot.Grace && r.sure("warn_before", "grace") {
		blame(parts, n, "warn_before").Problem("it is not shorter than grace: the warning would come before the rotation")
	}
}

// checkEvery refuses rotations that lose a key: one whose successor cannot be fetched
// in time, and one that comes when the key is over.
func (r *profileReader) checkEvery(n strictyaml.Node, parts strictyaml.Group) {
	rot := r.Rotation
	if rot.Every == 0 || !r.sure("every") {
		return
	}
	every := blame(parts, n, "every")
	if rot.MaxGrace > rot.Every && r.sure("max_grace") {
		blame(parts, n, "max_grace").Problem("it is longer than every: a key would have two successors at a time")
	}
	if rot.Grace == 0 && r.sure("grace") {
		every.Problem("a grace is needed: whoever holds the old key fetches the successor with it")
	}
	known := r.sure("default_lifetime", "lifetimes", "max_lifetime", "grace")
	if d := r.DefaultLifetime; known && d > 0 && d < rot.Every+rot.Grace {
		every.Problem("a key with the default lifetime ends before its rotation does")
	}
}

// blame is the node of a key, or the group's where the file does not say it.
func blame(parts strictyaml.Group, group strictyaml.Node, key string) strictyaml.Node {
	if n, ok := parts[key]; ok {
		return n
	}
	return group
}

// lifetime reads a text of the file; what is wrong with it is a problem of n. False: it
// is no length of time.
func lifetime(n strictyaml.Node, text string) (time.Duration, bool) {
	d, err := ParseLifetime(text)
	switch {
	case err != nil:
		n.Problem("%q: %s", text, err)
	case d > 0 && d < shortestLife:
		n.Problem("a key that lives for less than %s is of no use", spell(shortestLife))
	}
	return d, err == nil
}

// spell is a length of time as people write it; none at all is 0h.
func spell(d time.Duration) string {
	if d == 0 {
		return "0h"
	}
	return FormatLifetime(d)
}

// between reads a length of time within bounds; 0 without a unit is one.
func between(n strictyaml.Node, least, most time.Duration) time.Duration {
	text, ok := "0", n.Is("0")
	if !ok {
		if text, ok = n.Text(); !ok {
			return least
		}
	}
	d, err := ParseAge(text)
	switch {
	case err != nil:
		n.Problem("%q: %s", text, err)
	case d < least || d > most:
		n.Problem("%q is not between %s and %s", text, spell(least), spell(most))
		return least
	}
	return d
}
