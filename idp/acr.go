package idp

import (
	"encoding/json"
	"slices"

	"github.com/watchgate/watchgate/storage"
)

// essentialACR returns the authentication contexts of which the app cannot do
// without one: acr as an essential claim of the ID token (OpenID Connect Core
// section 5.5.1.1). acr_values alone are a wish.
func essentialACR(req storage.AuthorizeRequest) []string {
	var claims struct {
		IDToken map[string]json.RawMessage `json:"id_token"`
	}
	var acr struct {
		Essential bool     `json:"essential"`
		Value     string   `json:"value"`
		Values    []string `json:"values"`
	}
	if json.Unmarshal([]byte(req.Claims), &claims) != nil || json.Unmarshal(claims.IDToken["acr"], &acr) != nil || !acr.Essential {
		return nil
	}
	if acr.Value != "" {
		return append(acr.Values, acr.Value)
	}
	return acr.Values
}

// wantedACR is what the identity provider is asked for, the essential first.
func wantedACR(req storage.AuthorizeRequest) []string {
	wanted := essentialACR(req)
	for _, v := range req.ACRValues {
		if !slices.Contains(wanted, v) {
			wanted = append(wanted, v)
		}
	}
	return wanted
}

// reaches reports whether a session's authentication is of a context that the
// request cannot do without. What the provider answers in the end, the
// authorizer judges.
func reaches(req storage.AuthorizeRequest, acr string) bool {
	essential := essentialACR(req)
	return len(essential) == 0 || slices.Contains(essential, acr)
}
