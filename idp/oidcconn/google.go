package oidcconn

import (
	"slices"
	"strings"

	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/storage"
)

// google is Google Workspace. Who belongs to an organization is said by the claim hd,
// and by nothing else: not by the address, and not by the parameter of that name, which
// anybody can take out of the URL (FO-19). Google says nothing of second factors.
var google = quirks{
	unusable: func(con storage.Connection) string {
		if !slices.ContainsFunc(con.Settings.HostedDomains, func(d string) bool { return d != "" }) {
			return "the connection names no Google Workspace domain"
		}
		return ""
	},
	// Some tokens have the issuer without its scheme.
	issuer: func(con storage.Connection, claims map[string]any) string {
		if iss := text(claims, "iss"); "https://"+iss == con.Issuer {
			return iss
		}
		return con.Issuer
	},
	refuse: func(con storage.Connection, claims map[string]any) string {
		hd := text(claims, "hd")
		switch {
		case hd == "":
			return "no hd: a consumer account, and none of an organization"
		case !slices.Contains(con.Settings.HostedDomains, hd):
			return "hd is another organization's domain"
		}
		return ""
	},
	ask: func(con storage.Connection, req idp.UpstreamRequest, params map[string]string) {
		params["hd"] = "*"
		if len(con.Settings.HostedDomains) == 1 {
			params["hd"] = con.Settings.HostedDomains[0]
		}
		// Google answers prompt=login with an error page, and knows no acr.
		if strings.Contains(req.Prompt, "login") {
			params["prompt"] = "select_account"
		}
		delete(params, "acr_values")
	},
}
