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
// It does not know SQL (package sqlstore), how tokens are issued (package
// authz), or their format (package token).
package introspect
