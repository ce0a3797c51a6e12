package orgapi

import (
	"net/http"

	"github.com/watchgate/watchgate/internal/manage"
)

// The headings in the document.
const (
	tagConnections = "Connections"
	tagDomains     = "Domains"
	tagPeople      = "People"
	tagPolicy      = "Policy"
)

// What problems operations have in common.
var (
	forReading  = []manage.Kind{manage.Forbidden}
	forOne      = []manage.Kind{manage.Forbidden, manage.NotFound}
	forCreating = []manage.Kind{manage.Forbidden, manage.Invalid, manage.AlreadyExists}
	forChanging = []manage.Kind{manage.Forbidden, manage.NotFound, manage.Invalid, manage.Conflict}
)

func kindsOf(list []manage.Kind, more ...manage.Kind) []manage.Kind {
	return append(append([]manage.Kind{}, list...), more...)
}

// reads and writes are what all operations that look, and all that change, have in
// common.
func reads(op manage.Operation) manage.Operation {
	op.Method, op.Scopes = http.MethodGet, []string{ScopeRead}
	return op
}

func writes(op manage.Operation) manage.Operation {
	op.Scopes, op.IssuesCredentials = []string{ScopeWrite}, true
	return op
}

// mount registers the operations.
func (a *API) mount(frame *manage.API) {
	a.mountConnections(frame)
	a.mountUseOfConnections(frame)
	a.mountDomains(frame)
	a.mountPeople(frame)
	a.mountSessions(frame)
	a.mountPolicy(frame)
}

func (a *API) mountConnections(frame *manage.API) {
	one := connectionsPath + "/{id}"
	manage.Register(frame, reads(manage.Operation{
		ID: "list-connection-presets", Path: presetsPath, Tag: tagConnections, Summary: "List how providers are connected",
		Description: "For each provider: what is asked for, where its administrator finds it, and what to do there, in order. The draft has the addresses that are pasted there: send it with the new connection.",
		Problems:    forReading,
	}), a.presets)
	manage.Register(frame, reads(manage.Operation{
		ID: "list-connections", Path: connectionsPath, Tag: tagConnections, Summary: "List connections",
		Description: "The identity providers of the tenant, the oldest first.", Problems: forReading,
	}), a.listConnections)
	manage.Register(frame, writes(manage.Operation{
		ID: "create-connection", Method: http.MethodPost, Path: connectionsPath, Tag: tagConnections, Status: http.StatusCreated, Idempotent: true,
		Summary:     "Connect an identity provider",
		Description: "The connection is disabled: look at it with the doctor, try it, and enable it. Only owners make one through which somebody can become an owner.",
		Problems:    forCreating,
	}), a.createConnection)
	manage.Register(frame, reads(manage.Operation{
		ID: "get-connection", Path: one, Tag: tagConnections, Summary: "Get a connection", Description: "Without its secrets, which nobody can read.", Problems: forOne,
	}), a.getConnection)
	manage.Register(frame, writes(manage.Operation{
		ID: "change-connection", Method: http.MethodPatch, Path: one, Tag: tagConnections, ReadOnly: fixedConnection,
		Summary:     "Change a connection",
		Description: "Takes a JSON Merge Patch (RFC 7396). The issuer stays what it is: another provider is another connection. Only owners change one through which somebody can become an owner, or an owner signs in.",
		Problems:    forChanging,
	}), a.patchConnection)
	manage.Register(frame, writes(manage.Operation{
		ID: "enable-connection", Method: http.MethodPost, Path: one + "/enable", Tag: tagConnections, Summary: "Enable a connection",
		Description: "People sign in through it from now on. Only owners enable one through which somebody can become an owner, or an owner signs in.", Problems: kindsOf(forOne, manage.Conflict),
	}), a.enableConnection)
	manage.Register(frame, writes(manage.Operation{
		ID: "disable-connection", Method: http.MethodPost, Path: one + "/disable", Tag: tagConnections, Summary: "Disable a connection",
		Description: "When this has answered, nobody is signed in through it, and tokens that came of it are dead. Only owners disable one through which an owner signs in.", Problems: kindsOf(forOne, manage.Conflict),
	}), a.disableConnection)
	manage.Register(frame, writes(manage.Operation{
		ID: "rotate-connection-secret", Method: http.MethodPost, Path: one + "/rotate-secret", Tag: tagConnections, Summary: "Replace a client secret",
		Description: "First add the one that comes next: where the provider refuses the one, the other is tried, so that nobody is interrupted. When the old one is gone at the provider, promote it. Only owners do, where somebody can become an owner by it, or an owner signs in.",
		Problems:    forChanging,
	}), a.rotateSecret)
}

func (a *API) mountUseOfConnections(frame *manage.API) {
	one := connectionsPath + "/{id}"
	look := func(op manage.Operation) manage.Operation {
		op.Method, op.Scopes = http.MethodPost, []string{ScopeRead}
		return op
	}
	manage.Register(frame, look(manage.Operation{
		ID: "examine-connection", Path: one + "/doctor", Tag: tagConnections, Summary: "Have a connection looked at",
		Description: "Reads what the provider publishes, and says of each thing whether it fits and what to do. Nobody signs in, and nothing is changed.",
		Problems:    kindsOf(forOne, manage.Invalid),
	}), a.doctor)
	manage.Register(frame, writes(manage.Operation{
		ID: "create-connection-test", Method: http.MethodPost, Path: one + "/tests", Tag: tagConnections, Status: http.StatusCreated, Summary: "Try a connection",
		Description: "Answers with an address. Whoever opens it signs in at the provider, and is shown what came, and which role it would give; nobody is signed in here. A connection that is disabled can be tried, too.",
		Problems:    kindsOf(forOne, manage.Invalid),
	}), a.createTest)
	manage.Register(frame, reads(manage.Operation{
		ID: "get-connection-test", Path: one + "/tests/{test}", Tag: tagConnections, Summary: "See what a trial came to", Description: "It is kept for a day.", Problems: forOne,
	}), a.getTest)
	manage.Register(frame, look(manage.Operation{
		ID: "try-mapping", Path: one + "/try-mapping", Tag: tagConnections, Summary: "Try a mapping to roles",
		Description: "Says which role somebody would have by these claims, and why; also with rules that are not stored yet.", Problems: kindsOf(forOne, manage.Invalid),
	}), a.tryMapping)
}

func (a *API) mountDomains(frame *manage.API) {
	one := domainsPath + "/{name}"
	manage.Register(frame, reads(manage.Operation{
		ID: "list-domains", Path: domainsPath, Tag: tagDomains, Summary: "List domains", Description: "In the order of their names.", Problems: forReading,
	}), a.listDomains)
	manage.Register(frame, writes(manage.Operation{
		ID: "claim-domain", Method: http.MethodPost, Path: domainsPath, Tag: tagDomains, Status: http.StatusCreated, Idempotent: true, Summary: "Claim an e-mail domain",
		Description: "Answers with the TXT record that proves it. Make the record, and have it verified. Public mail domains, and those below which others have theirs, are refused.",
		Problems:    kindsOf(forCreating, manage.DomainTaken),
	}), a.claimDomain)
	manage.Register(frame, reads(manage.Operation{
		ID: "get-domain", Path: one, Tag: tagDomains, Summary: "Get a domain", Problems: forOne,
	}), a.getDomain)
	manage.Register(frame, writes(manage.Operation{
		ID: "verify-domain", Method: http.MethodPost, Path: one + "/verify", Tag: tagDomains, Summary: "Have a domain verified",
		Description: "Looks for the record now. People with addresses of the domain are sent to its connection from then on. The record is looked for every day: seven days after it is gone, the domain is nobody's. Only owners have one verified in which an owner has their address.",
		Problems:    kindsOf(forOne, manage.DomainNotProved, manage.DomainTaken, manage.Invalid),
	}), a.verifyDomain)
	manage.Register(frame, writes(manage.Operation{
		ID: "change-domain", Method: http.MethodPatch, Path: one, Tag: tagDomains, ReadOnly: fixedDomain, Summary: "Change a domain",
		Description: "Takes a JSON Merge Patch (RFC 7396): where its people sign in, and whether they have to. Only owners change one in which an owner has their address, or send people of a verified one elsewhere.", Problems: kindsOf(forOne, manage.Invalid, manage.DomainTaken),
	}), a.patchDomain)
	manage.Register(frame, writes(manage.Operation{
		ID: "remove-domain", Method: http.MethodDelete, Path: one, Tag: tagDomains, Status: http.StatusNoContent, Summary: "Give a domain up",
		Description: "Its people are sent nowhere any more, and another tenant may prove it. Only owners give one up in which an owner has their address.", Problems: forOne,
	}), a.removeDomain)
}

func (a *API) mountPeople(frame *manage.API) {
	one := usersPath + "/{id}"
	manage.Register(frame, reads(manage.Operation{
		ID: "list-users", Path: usersPath, Tag: tagPeople, Summary: "List people", Description: "The newest first.", Problems: forReading,
	}), a.listUsers)
	manage.Register(frame, writes(manage.Operation{
		ID: "invite-user", Method: http.MethodPost, Path: usersPath, Tag: tagPeople, Status: http.StatusCreated, Idempotent: true, Summary: "Invite somebody",
		Description: "For people without an identity provider: they get a link by e-mail, and sign in by it and a passkey. Only owners invite owners.",
		Problems:    kindsOf(forCreating, manage.Conflict),
	}), a.inviteUser)
	manage.Register(frame, reads(manage.Operation{
		ID: "get-user", Path: one, Tag: tagPeople, Summary: "Get a person", Description: "With how they sign in.", Problems: forOne,
	}), a.getUser)
	manage.Register(frame, writes(manage.Operation{
		ID: "change-user", Method: http.MethodPatch, Path: one, Tag: tagPeople, ReadOnly: fixedUser, Summary: "Change a person",
		Description: "Takes a JSON Merge Patch (RFC 7396): the role, and whether they are kept out. Only owners change owners, and the last one stays one.",
		Problems:    kindsOf(forChanging, manage.LastOwner),
	}), a.patchUser)
	manage.Register(frame, writes(manage.Operation{
		ID: "end-user-sessions", Method: http.MethodPost, Path: one + "/end-sessions", Tag: tagPeople, Summary: "Sign a person out everywhere",
		Description: "When this has answered, nobody is signed in as them, and what hung on their sessions is dead. They are told. Only owners take offline access from owners.", Problems: forOne,
	}), a.endSessions)
	manage.Register(frame, writes(manage.Operation{
		ID: "reset-user-factors", Method: http.MethodPost, Path: one + "/reset-factors", Tag: tagPeople, Summary: "Remove a person's second factors",
		Description: "For who has lost them. They are signed out everywhere and told, and add new ones at the next sign-in. Make sure that it is they who ask.",
		Problems:    forOne,
	}), a.resetFactors)
}

func (a *API) mountSessions(frame *manage.API) {
	manage.Register(frame, reads(manage.Operation{
		ID: "list-sessions", Path: sessionsPath, Tag: tagPeople, Summary: "List sessions", Description: "The signed-in browsers of the tenant's people, the newest first.", Problems: forReading,
	}), a.listSessions)
	manage.Register(frame, writes(manage.Operation{
		ID: "end-session", Method: http.MethodDelete, Path: sessionsPath + "/{id}", Tag: tagPeople, Status: http.StatusNoContent, Summary: "End a session",
		Description: "When this has answered, nobody is signed in by it, and what hung on it is dead.", Problems: forOne,
	}), a.endSession)
}

func (a *API) mountPolicy(frame *manage.API) {
	glass := policyPath + "/break-glass"
	manage.Register(frame, reads(manage.Operation{
		ID: "get-policy", Path: policyPath, Tag: tagPolicy, Summary: "Get the policy", Problems: forReading,
	}), a.getPolicy)
	manage.Register(frame, writes(manage.Operation{
		ID: "change-policy", Method: http.MethodPatch, Path: policyPath, Tag: tagPolicy, ReadOnly: fixedPolicy, Summary: "Change the policy",
		Description: "Takes a JSON Merge Patch (RFC 7396). Only owners do.", Problems: []manage.Kind{manage.Forbidden, manage.Invalid, manage.Conflict},
	}), a.patchPolicy)
	manage.Register(frame, writes(manage.Operation{
		ID: "open-break-glass", Method: http.MethodPost, Path: glass, Tag: tagPolicy, Status: http.StatusOK, Summary: "Let owners in past an enforced provider",
		Description: "For when the identity provider does not work: owners sign in by a passkey alone, for at most a day. Only owners open it, and all of them are told.",
		Problems:    []manage.Kind{manage.Forbidden, manage.Invalid, manage.Conflict},
	}), a.openBreakGlass)
	manage.Register(frame, writes(manage.Operation{
		ID: "close-break-glass", Method: http.MethodDelete, Path: glass, Tag: tagPolicy, Status: http.StatusOK, Summary: "Let nobody past the provider any more",
		Problems: []manage.Kind{manage.Forbidden, manage.Conflict},
	}), a.closeBreakGlass)
}
