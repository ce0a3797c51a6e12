package oidcconn

import (
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// quirks is what a provider's product does otherwise than OpenID Connect has it, or says
// beside it. A nil function: as the standard has it.
type quirks struct {
	// unusable says why a connection must not be used at all; "": it may.
	unusable func(con storage.Connection) string
	// names reports whether a discovery document that names issuer is the connection's.
	names func(con storage.Connection, issuer string) bool
	// issuer is the iss that a token with these claims has to have; "": none is right.
	issuer func(con storage.Connection, claims map[string]any) string
	// mayHaveSigned reports whether a key that is published for keyIssuer may sign a token
	// with these claims.
	mayHaveSigned func(con storage.Connection, keyIssuer string, claims map[string]any) bool
	// refuse says why the person of a verified token does not get in; "": they do.
	refuse func(con storage.Connection, claims map[string]any) string
	// person is the key of whom a token is about; "": nobody's. Nil: its sub.
	person func(claims map[string]any) string
	// verified reports whether the provider vouches for the address. Nil: email_verified
	// is the JSON value true.
	verified func(claims map[string]any) bool
	// ask adds to the authentication request, or takes away.
	ask func(con storage.Connection, req idp.UpstreamRequest, params map[string]string)
	// scopes are asked for beside the connection's.
	scopes func(con storage.Connection) []string
	// contexts are further values, as of acr, that a token has.
	contexts func(claims map[string]any) []string
	// proves is the product's table of evidence.
	proves evidence
	// noUserinfo: its userinfo endpoint says nothing that the ID token lacks.
	noUserinfo bool
	// codeFirst: it may look at a code before it looks at the secret, so that its
	// complaint about the one says nothing of the other.
	codeFirst bool
}

// products are the quirks of each preset.
var products = map[storage.Preset]quirks{
	"":                   {proves: rfc8176},
	storage.PresetOIDC:   {proves: rfc8176},
	storage.PresetOkta:   okta,
	storage.PresetEntra:  entra,
	storage.PresetAuth0:  auth0,
	storage.PresetGoogle: google,
}

// whyUnusable says why the connection must not be used, or "".
func (c *connector) whyUnusable() string {
	if c.quirks.unusable == nil {
		return ""
	}
	return c.quirks.unusable(c.con)
}

// isIssuer reports whether iss is the one that a token with these claims has to have:
// the connection's, byte for byte (FO-01).
func (c *connector) isIssuer(iss string, claims map[string]any) bool {
	want := c.con.Issuer
	if c.quirks.issuer != nil {
		want = c.quirks.issuer(c.con, claims)
	}
	return want != "" && iss == want
}

// namesIssuer reports whether a discovery document that names issuer is this
// connection's.
func (c *connector) namesIssuer(issuer string) bool {
	return issuer == c.con.Issuer || c.quirks.names != nil && c.quirks.names(c.con, issuer)
}

// personOf is the key of whom a token is about.
func (c *connector) personOf(claims map[string]any) string {
	if c.quirks.person != nil {
		return c.quirks.person(claims)
	}
	return text(claims, "sub")
}

// vouches reports whether the provider vouches for the address in its claims.
func (c *connector) vouches(claims map[string]any) bool {
	if c.quirks.verified != nil {
		return c.quirks.verified(claims)
	}
	return claims["email_verified"] == true
}

// text is a claim that is a text, or "".
func text(claims map[string]any, name string) string {
	v, _ := claims[name].(string)
	return v
}

// list is a claim that is a list of texts, or one text.
func list(claims map[string]any, name string) []string {
	if one := text(claims, name); one != "" {
		return []string{one}
	}
	values, _ := claims[name].([]any)
	var texts []string
	for _, v := range values {
		if one, ok := v.(string); ok {
			texts = append(texts, one)
		}
	}
	return texts
}
