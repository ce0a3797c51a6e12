package provider

import (
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// LeftOut reports whether the claims of a token leave the connection's role claim out
// because it holds too much: at Entra it is a distributed claim then (OpenID Connect
// Core section 5.6.2), or hasgroups says that there are some (FO-13).
func LeftOut(con storage.Connection, claims map[string]any) bool {
	if con.Preset != storage.PresetEntra || strings.TrimPrefix(con.RoleClaim, "/") != "groups" {
		return false
	}
	names, _ := claims["_claim_names"].(map[string]any)
	_, elsewhere := names["groups"]
	return elsewhere || claims["hasgroups"] == true || claims["hasgroups"] == "true"
}
