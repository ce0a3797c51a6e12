// Package catalogue reads the file in which a deployment declares its product: the
// resources with their actions and scopes, what implies what, and which role may
// what.
//
//	resources:
//	  monitor:
//	    description: Monitors and their check runs
//	    actions:
//	      read: {scope: "monitor:read", description: "See your monitors"}
//	      write: {scope: "monitor:write", description: "Change your monitors", implies: [read]}
//	roles:
//	  owner: ["*"]
//	  viewer: ["monitor:read"]
//
// The package owns the file's form, with every problem of a file at once, and the
// two questions that are asked of a catalogue at each cold introspection: what do
// these scopes amount to ([Catalogue.Expand]), and what of it does this role permit
// ([Catalogue.Effective]). A scope implies another only where the file says so:
// nothing is read out of how a scope is spelled.
//
// It knows no key, no token and no person, it keeps nothing, and it hands the part
// of the file that is about API keys to package apikey unread. The scopes of OpenID
// Connect (openid, email, ...) are the engine's own and in no catalogue.
package catalogue
