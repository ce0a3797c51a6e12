package oidcconn

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// personalDirectory is the tid of personal Microsoft accounts.
const personalDirectory = "9188040d-6c67-4c5b-b112-36a304b66dad"

// tenantPlaceholder stands for a tid in metadata that all directories share.
const tenantPlaceholder = "{tenantid}"

var (
	guid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// authContext is the id of a Conditional Access authentication context.
	authContext = regexp.MustCompile(`^c[1-9][0-9]?$`)
)

// entra is Microsoft Entra ID, version 2.0 (FO-08, FO-10 to FO-15). A person is tid
// and oid: sub is another one for each app, and everything else is for its directory,
// or for the person, to change. Its ID tokens have no amr of their own, so that nothing
// is proved but what a connection's settings name.
var entra = quirks{
	unusable: entraUnusable,
	names: func(con storage.Connection, issuer string) bool {
		return issuer == directoryOf(con).issuer(tenantPlaceholder)
	},
	issuer:        entraIssuer,
	mayHaveSigned: entraKey,
	refuse:        entraRefuse,
	person:        entraPerson,
	// Whether the address is the directory's own is optional, and of no fixed type.
	verified: func(claims map[string]any) bool {
		return slices.Contains([]any{true, "true", "1", 1.0}, claims["xms_edov"])
	},
	ask:      entraAsk,
	contexts: func(claims map[string]any) []string { return list(claims, "acrs") },
	scopes: func(con storage.Connection) []string {
		if con.Settings.GroupsFromGraph {
			return []string{"User.Read"} // the least that Graph wants for getMemberObjects
		}
		return nil
	},
	noUserinfo: true,
	codeFirst:  true,
}

// directory is what an Entra issuer names: https://host/name/v2.0.
type directory struct{ base, name string }

func directoryOf(con storage.Connection) directory {
	path, ok := strings.CutSuffix(con.Issuer, "/v2.0")
	i := strings.LastIndexByte(path, '/')
	if !ok || i < 0 {
		return directory{}
	}
	return directory{base: path[:i], name: path[i+1:]}
}

// shared reports whether the issuer is that of metadata for all directories.
func (d directory) shared() bool { return d.name == "common" || d.name == "organizations" }

func (d directory) issuer(tid string) string { return d.base + "/" + tid + "/v2.0" }

func entraUnusable(con storage.Connection) string {
	d := directoryOf(con)
	for _, id := range con.Settings.DirectoryIDs {
		if !guid.MatchString(id) {
			return "a directory id of the connection is no GUID in lower case"
		}
	}
	switch {
	case guid.MatchString(d.name):
		return ""
	case !d.shared():
		return "an Entra issuer is https://login.microsoftonline.com/{directory id}/v2.0, with the id as a GUID in lower case"
	case len(con.Settings.DirectoryIDs) == 0:
		return "an issuer for all directories needs the ids of those that may sign in"
	}
	return ""
}

// entraIssuer is the issuer of the directory that a token names, if its people may come
// in through this connection. It ties tid to iss.
func entraIssuer(con storage.Connection, claims map[string]any) string {
	d, tid := directoryOf(con), text(claims, "tid")
	if !guid.MatchString(tid) || !allowed(con, d, tid) {
		return ""
	}
	return d.issuer(tid)
}

func allowed(con storage.Connection, d directory, tid string) bool {
	set := con.Settings
	switch {
	case tid == personalDirectory && !set.AllowPersonal:
		return false
	case d.shared():
		return slices.Contains(set.DirectoryIDs, tid) || tid == personalDirectory
	case len(set.DirectoryIDs) > 0 && !slices.Contains(set.DirectoryIDs, tid):
		return false
	}
	return tid == d.name
}

// entraKey holds a key to the directory that it is published for. Shared metadata has
// keys that are personal accounts' alone; there, a key that names no issuer is no key.
func entraKey(con storage.Connection, keyIssuer string, claims map[string]any) bool {
	if keyIssuer == "" {
		return !directoryOf(con).shared()
	}
	return strings.Replace(keyIssuer, tenantPlaceholder, text(claims, "tid"), 1) == text(claims, "iss")
}

func entraRefuse(con storage.Connection, claims map[string]any) string {
	switch {
	case text(claims, "ver") != "2.0":
		return "ver is not 2.0"
	case entraPerson(claims) == "":
		return "oid is missing, or is no GUID"
	case !con.Settings.AllowGuests && isGuest(claims):
		return "a guest of the directory, and the connection lets none in"
	}
	return ""
}

// isGuest reports whether somebody is at home in another directory. acct is 0 for
// members, where the app asks for it; idp is there when it is not the issuer.
func isGuest(claims map[string]any) bool {
	acct, has := claims["acct"]
	if has && acct != 0.0 && acct != "0" {
		return true
	}
	home, has := claims["idp"]
	return has && home != claims["iss"] && home != "https://sts.windows.net/"+text(claims, "tid")+"/"
}

func entraPerson(claims map[string]any) string {
	tid, oid := text(claims, "tid"), text(claims, "oid")
	if !guid.MatchString(tid) || !guid.MatchString(oid) {
		return ""
	}
	return tid + "|" + oid
}

// entraAsk asks for an authentication context by the claims parameter (OpenID Connect
// Core section 5.5), which is the only way that Entra knows.
func entraAsk(_ storage.Connection, req idp.UpstreamRequest, params map[string]string) {
	delete(params, "acr_values")
	i := slices.IndexFunc(req.ACRValues, authContext.MatchString)
	if i < 0 {
		return
	}
	raw, err := json.Marshal(map[string]any{"id_token": map[string]any{
		"acrs": map[string]any{"essential": true, "value": req.ACRValues[i]},
	}})
	if err == nil {
		params["claims"] = string(raw)
	}
}
