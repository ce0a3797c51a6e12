// Package introspect answers the question that the product exists for: is this
// credential good, for this scope, for this tenant, right now? It is RFC 7662 at
// POST /oauth2/introspect.
//
// It owns who may ask (registered, enabled resource servers, and nobody else)
// and the decision. An active token is described as far as it concerns the
// asker; everything else, whatever the reason, is {"active":false}, byte for
// byte. A store that is away is 503, never "inactive".
//
//	tenant=acme        the tenant of the API call: slug or id. A token of another
//	                   tenant is inactive.
//	scope=a b          what the API call needs: a token without all of them is
//	                   inactive, and the answer's scope is narrowed to them.
//
// A live token that is asked about for another tenant than its own is inactive
// like any other, and cross_tenant.denied in its tenant's trail (TN-12), once a
// minute for each resource server and name.
//
// What was answered about a live token is remembered, and so is who may ask; a
// question about it costs no statement then. Whether what is remembered is still
// what the database would say is decided on every call, by package coherence: no
// answer outlives the kill of anything that it hangs on, nor the end of the token,
// its grant or its session. The asker's secret is compared on every call. What is
// not active is never remembered, so that nobody fills the memory with garbage, and
// a token that was issued a moment ago is active here. Without a node of coherence,
// or without its lease, each question costs one statement.
//
// Of a question there are two readers: [Server.Mount]'s handler, which takes every
// request, and a quick one in front of it, which takes the usual ones and only if the
// answer is in memory. They give the same bytes.
//
// It does not know SQL (package sqlstore), how tokens are issued (package
// authz), or their format (package token).
package introspect
