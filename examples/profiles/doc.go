// Package profiles holds a product file for each of five kinds of monitoring product:
// its scopes, its roles and how its API keys work.
//
//	upstat       JWT tokens of an account, made by its owner, with permissions by resource
//	uptime       keys with read and write scopes and an optional end
//	uptimepulse  keys of a workspace that are rotated by themselves
//	sites        personal access tokens for six months
//	uptybots     a few keys for bots, over HTTPS only
//
// The files are meant to be copied and changed; docs/catalogue.md and
// docs/key-profiles.md say what each line does. The package owns the files, and
// reads none of them: packages internal/catalogue and apikey do.
package profiles
