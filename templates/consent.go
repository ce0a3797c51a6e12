package templates

import (
	"io"
	"time"
)

// Name and values of the buttons of [Consent].
const (
	FieldDecision = "decision"
	DecisionAllow = "allow"
	DecisionDeny  = "deny"
)

// ConsentPage is everything a person needs to decide about one app (OAuth 2.1 section 7.3; MCP security considerations,
// "Localhost Redirect URI Risks"). All of it comes from the stored request, none of it from the form.
type ConsentPage struct {
	Action string
	State  State

	AppName      string
	ClientID     string // the client_id, or its host when the client_id is a URL
	RedirectHost string // host (and port) of the redirect_uri, or the scheme of a private-use URI; never shortened

	TenantName string
	UserName   string
	UserEmail  string
	SwitchURL  string // where somebody else can sign in; empty hides the link

	Scopes    []ScopeItem // in the order of the request
	Resources []string    // resource indicators (RFC 8707), when the request named any

	Offline  bool          // offline_access: the app keeps access while the person is away
	Lifetime time.Duration // the access ends after this at the latest

	LoopbackOnly bool // every redirect_uri points to this computer: any program here could be the one asking
	Unverified   bool // the app was registered by a tenant or by itself, and nobody has checked who runs it
}

// ScopeItem is one scope with what it means.
type ScopeItem struct {
	Name      string // as in the scope parameter
	Sentence  string // in words; [ScopeSentence] has those of OpenID Connect, the scope catalogue the others
	Sensitive bool   // it changes things, or opens what is usually closed
}

// scopeGroup is a heading with the scopes under it.
type scopeGroup struct {
	Title string
	Items []ScopeItem
}

// ScopeGroups sorts the scopes for reading: first what the app may do in the tenant (and that it may go on doing it,
// offline_access), then what it learns about the person.
func (p ConsentPage) ScopeGroups() []scopeGroup {
	var access, offline, identity []ScopeItem
	for _, s := range p.Scopes {
		_, standard := ScopeSentence(s.Name)
		switch {
		case s.Name == "offline_access":
			offline = append(offline, s)
		case standard:
			identity = append(identity, s)
		default:
			access = append(access, s)
		}
	}
	access = append(access, offline...)
	var groups []scopeGroup
	if len(access) > 0 {
		groups = append(groups, scopeGroup{"In " + displayName(p.TenantName), access})
	}
	if len(identity) > 0 {
		groups = append(groups, scopeGroup{"About you", identity})
	}
	return groups
}

var consent = document("consent")

// Consent writes the page. It posts [FieldDecision] with the fields of State.
func Consent(w io.Writer, p ConsentPage) error { return render(w, consent, p) }
