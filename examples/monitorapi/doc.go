// Package monitorapi is a small monitoring API: the resource server of the demo,
// written to be copied from. It has monitors, alerts and check runs for each
// tenant under /t/{tenant}/..., and it keeps no users, no passwords and no
// sessions for them: every call carries an access token, and the authorization
// server says whether it is good, by RFC 7662 introspection with the tenant of
// the URL.
//
// The part to copy is newAPI and guarded in api.go: package guard
// (introspect/guard) asks and answers, so that no handler sees a call that is not
// allowed. What a caller gets:
//
//	no token                       401, WWW-Authenticate: Bearer, no error code
//	malformed Authorization        400 invalid_request
//	not active                     401 invalid_token
//	active, for another tenant     404, as if the tenant had nothing here
//	active, scope missing          403 insufficient_scope, with the scope
//	authorization server is away   503, Retry-After
//
// (RFC 6750 section 3.) A token in the query string is not looked at. Each of
// these answers is a JSON object with error and error_description, but the first:
// where no credentials were sent there is no error code (section 3.1), and the
// object has one member, message.
//
// The page at / is the other side: an app that signs people in as a public
// client (authorization code with PKCE), and calls the API with what it got. It
// lives on one host; under another one, its pages redirect there.
// The program is in cmd/monitorapi.
package monitorapi
