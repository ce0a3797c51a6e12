// Package introspect answers the question that the product exists for: is this
// credential good, for this scope, for this tenant, right now? It is RFC 7662 at
// POST /oauth2/introspect.
//
// It owns who may ask (registered, enabled resource servers, and nobody else)
// and the decision, which is one for access tokens and API keys. An active one is
// described as far as it concerns the asker; everything else, whatever the reason, is
// {"active":false}, byte for byte. A store that is away is 503, never "inactive".
//
//	tenant=acme        the tenant of the API call: slug or id. A token of another
//	                   tenant is inactive.
//	scope=a b          what the API call needs: a token without all of them is
//	                   inactive, and the answer's scope is narrowed to them.
//	ip=192.0.2.1       where the call came from, and
//	proto=https        how: a key that is bound to addresses or to HTTPS is inactive
//	                   elsewhere, and where it is not told.
//
// What a credential may is what its scopes imply, by the deployment's catalogue, as
// far as the role permits that its owner has now. A machine's token and a tenant's own
// key have no owner.
//
// A key is known by its form, and one string is a token, a key, or neither. A key
// whose profile has a rate takes one from it with each active answer, and over it the
// answer is 429, with the headers of the policy "key". How keys are used is counted,
// refusals included, and stored by [Server.Run].
//
// A live credential that is asked about for another tenant than its own is inactive
// like any other, and cross_tenant.denied in its tenant's trail (TN-12), once a
// minute for each resource server and name.
//
// What was answered about a live credential is remembered, and so is who may ask; a
// question about it costs no statement then. Whether what is remembered is still
// what the database would say is decided on every call, by package coherence: no
// answer outlives the kill of anything that it hangs on, nor the end of the
// credential, its grant, its session or the key that it was made under. The asker's
// secret is compared on every call, and so are the addresses of a key. What is
// not active is never remembered, so that nobody fills the memory with garbage, and
// a token that was issued a moment ago is active here. Without a node of coherence,
// or without its lease, each question costs one statement.
//
// Of a question there are two readers: [Server.Mount]'s handler, which takes every
// request, and a quick one in front of it, which takes the usual ones and only if the
// answer is in memory. They give the same bytes. [Server.Check] is for the
// deployment's own API, and remembers nothing.
//
// It does not know SQL (package sqlstore), how tokens are issued (package authz) and
// keys made (package apikey), or their format (package token; of keys, whoever is
// Config.Keys).
package introspect
