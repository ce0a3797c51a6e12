package keyapi

import (
	"net/http"

	"github.com/watchgate/watchgate/internal/manage"
)

// What problems operations on one key have in common.
var (
	forOneKey  = []manage.Kind{manage.NotFound}
	forChanges = []manage.Kind{manage.NotFound, manage.Invalid, manage.Forbidden, manage.Conflict, manage.TenantSuspended}
	forRights  = []manage.Kind{manage.ScopeExceeds, manage.LifetimeExceeds}
	forSignIns = []manage.Kind{manage.EmailNotVerified, manage.MFARequired, manage.Reauthenticate}
)

func kindsOf(lists ...[]manage.Kind) []manage.Kind {
	var out []manage.Kind
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// mount registers the operations.
func (a *API) mount(frame *manage.API) {
	a.mountKeys(frame)
	a.mountSuccession(frame)
	a.mountUse(frame)
}

func (a *API) mountKeys(frame *manage.API) {
	read, write := []string{ScopeRead}, []string{ScopeWrite}
	manage.Register(frame, manage.Operation{
		ID: "create-key", Method: http.MethodPost, Path: path, Tag: tag, Scopes: write, Status: http.StatusCreated, Idempotent: true, IssuesCredentials: true,
		Summary: "Create an API key",
		Description: "Answers with the key itself in `secret`, once. A key has at most the rights of who makes it, now and later: what its owner's role does not allow, the key does not.\n\n" +
			"A key that makes a key gives at most its own scopes, and no longer life than it has.",
		Problems: kindsOf(forChanges, forRights, forSignIns, []manage.Kind{manage.TooManyKeys, manage.NotAllowed}),
	}, a.create)
	manage.Register(frame, manage.Operation{
		ID: "list-keys", Method: http.MethodGet, Path: path, Tag: tag, Scopes: read,
		Summary:     "List API keys",
		Description: "The newest first. Owners and admins see every key of the tenant, others their own.",
	}, a.list)
	manage.Register(frame, manage.Operation{
		ID: "get-key", Method: http.MethodGet, Path: path + "/{id}", Tag: tag, Scopes: read, Self: true,
		Summary: "Get an API key", Description: "A key may always look at itself.", Problems: forOneKey,
	}, a.get)
	manage.Register(frame, manage.Operation{
		ID: "change-key", Method: http.MethodPatch, Path: path + "/{id}", Tag: tag, Scopes: write, ReadOnly: readOnly, IssuesCredentials: true,
		Summary:     "Change an API key",
		Description: "Takes a JSON Merge Patch (RFC 7396): what is left out stays. With `If-Match` the change is made only to the version that is meant. The secret stays what it is; a key with another secret is another key (see rotate).",
		Problems:    kindsOf(forChanges, forRights, []manage.Kind{manage.NotAllowed, manage.Gone, manage.PreconditionFailed}),
	}, a.patch)
	manage.Register(frame, manage.Operation{
		ID: "revoke-key", Method: http.MethodDelete, Path: path + "/{id}", Tag: tag, Scopes: write, Status: http.StatusNoContent,
		Summary:     "Revoke an API key",
		Description: "When this has answered, no node accepts the key, nor a token that was made with it; its executions are told to stop. Revoking again changes nothing.",
		Problems:    kindsOf(forOneKey, []manage.Kind{manage.Forbidden, manage.TenantSuspended}),
	}, a.revoke)
}

func (a *API) mountSuccession(frame *manage.API) {
	write := []string{ScopeWrite}
	manage.Register(frame, manage.Operation{
		ID: "rotate-key", Method: http.MethodPost, Path: path + "/{id}/rotate", Tag: tag, Scopes: write, Status: http.StatusCreated, Idempotent: true, IssuesCredentials: true,
		Summary:     "Replace an API key",
		Description: "Makes a successor with the same rights and answers with it, once. Both work for the grace; then the old key ends. `{\"grace\":\"0s\"}` ends it at once. Without a body the grace is the profile's.",
		Problems:    kindsOf(forChanges, forRights, forSignIns, []manage.Kind{manage.NotAllowed, manage.Gone}),
	}, a.rotate)
	manage.Register(frame, manage.Operation{
		ID: "fetch-successor", Method: http.MethodPost, Path: path + "/{id}/successor", Tag: tag, Scopes: write, Self: true, Status: http.StatusCreated, Idempotent: true,
		Summary:     "Fetch a successor",
		Description: "The old key asks, with itself as the credential, for the successor that a scheduled rotation has made. It is told once; after that the answer is 410.",
		Problems:    kindsOf(forOneKey, []manage.Kind{manage.Forbidden, manage.Gone, manage.TenantSuspended}),
	}, a.successor)
	manage.Register(frame, manage.Operation{
		ID: "reveal-key", Method: http.MethodPost, Path: path + "/{id}/reveal", Tag: tag, Scopes: write, Status: http.StatusOK, IssuesCredentials: true,
		Summary:     "Show an API key again",
		Description: "Only where the key's profile allows it, to a person who signed in a moment ago. It is recorded.",
		Problems:    kindsOf(forOneKey, forSignIns, []manage.Kind{manage.Forbidden, manage.NotAllowed, manage.Gone, manage.Conflict, manage.TenantSuspended}),
	}, a.reveal)
}

func (a *API) mountUse(frame *manage.API) {
	read, write := []string{ScopeRead}, []string{ScopeWrite}
	manage.Register(frame, manage.Operation{
		ID: "get-key-usage", Method: http.MethodGet, Path: path + "/{id}/usage", Tag: tag, Scopes: read,
		Summary: "See how an API key is used", Description: "By day, address and scope, with refused calls by reason. It is late by up to a minute, and kept for 90 days.",
		Problems: forOneKey,
	}, a.usage)
	manage.Register(frame, manage.Operation{
		ID: "start-execution", Method: http.MethodPost, Path: path + "/{id}/executions", Tag: tag, Scopes: write, Self: true, Status: http.StatusCreated, Idempotent: true,
		Summary:     "Register work that runs under an API key",
		Description: "The key registers what has to stop when it dies; the stream of its events says when.",
		Problems:    kindsOf(forChanges, []manage.Kind{manage.Gone, manage.TooManyKeys}),
	}, a.startExecution)
	manage.Register(frame, manage.Operation{
		ID: "list-executions", Method: http.MethodGet, Path: path + "/{id}/executions", Tag: tag, Scopes: read, Self: true,
		Summary: "List work that runs under an API key", Description: "The newest first, at most 1000. What was told to stop has an end.", Problems: forOneKey,
	}, a.executions)
	manage.Register(frame, manage.Operation{
		ID: "end-execution", Method: http.MethodDelete, Path: path + "/{id}/executions/{execution}", Tag: tag, Scopes: write, Self: true, Status: http.StatusNoContent,
		Summary: "End work that runs under an API key", Description: "Ending it again changes nothing.",
		Problems: kindsOf(forOneKey, []manage.Kind{manage.Forbidden, manage.TenantSuspended}),
	}, a.endExecution)
	manage.Register(frame, manage.Operation{
		ID: "watch-key", Method: http.MethodGet, Path: path + "/{id}/events", Tag: tag, Scopes: read, Self: true, Stream: true,
		Summary:     "Be told what happens to an API key",
		Description: streamDescription,
		Problems:    kindsOf(forOneKey, []manage.Kind{manage.QuotaExceeded}),
	}, a.events)
}

const streamDescription = "A stream of server-sent events. The first is `state`: how the key is now. Then, within a second of each: `rotated` (it has a successor), `changed`, `quarantined`, " +
	"`revoked` and `expired`; after these two the stream ends, because nothing else can happen. A key whose owner is disabled, or whose tenant is suspended, is `revoked` with the `reason` `owner` or `tenant`.\n\n" +
	"The data is an object with `key`, `state` (live, expired, revoked, quarantined), `reason`, `expires_at`, `successor`, `version` and `at`.\n\n" +
	"`unknown` says that for five seconds the server has not been able to find out, so that a runner can decide whether to go on; when it can again, `state` follows. " +
	"The stream also ends, without a word, when the credential that opened it ends, and when the server stops: connect again, and 401 or the first event says which it was.\n\n" +
	"A key may always listen to itself. `Last-Event-ID` is accepted, and not needed."
