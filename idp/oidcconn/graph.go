package oidcconn

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/watchgate/watchgate/idp"
)

const (
	// graphHost is Microsoft Graph. A token also says where its groups are to be had
	// (_claim_sources); that is never read, because whoever could say so would be sent an
	// access token (FO-13).
	graphHost = "https://graph.microsoft.com"
	// entraHost is the cloud that graphHost belongs to.
	entraHost = "login.microsoftonline.com"

	maxGraph       = 1 << 20 // bytes of an answer
	maxGraphGroups = 11_000  // what getMemberObjects answers with at most
)

// overage is what is known of groups that a token left out: nothing, or what Graph says.
// It never passes for no groups.
func (c *connector) overage(ctx context.Context, access *oauth2.Token) (idp.RoleValues, error) {
	unknown := idp.RoleValues{Present: true, Problem: idp.ReasonOverage}
	host := c.graph()
	if host == "" || !c.con.Settings.GroupsFromGraph || access == nil {
		return unknown, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, host+"/v1.0/me/getMemberObjects",
		bytes.NewReader([]byte(`{"securityEnabledOnly":false}`)))
	if err != nil {
		return unknown, err
	}
	req.Header.Set("Authorization", "Bearer "+access.AccessToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.cfg.Client.Do(req)
	if err != nil {
		return unknown, unavailable("Microsoft Graph", brief(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxGraph+1))
	if err != nil || resp.StatusCode != http.StatusOK || len(body) > maxGraph {
		return unknown, nil // a permission is missing, or the answer is of no use: nobody gets a role by it
	}
	return graphGroups(body), nil
}

// graph is where Graph is; "" for a cloud of which we do not know it.
func (c *connector) graph() string {
	if c.cfg.Graph != "" {
		return c.cfg.Graph
	}
	if u, err := url.Parse(c.con.Issuer); err == nil && u.Host == entraHost {
		return graphHost
	}
	return ""
}

// graphGroups reads an answer of getMemberObjects: all of it, or none.
func graphGroups(body []byte) idp.RoleValues {
	var answer struct {
		Value []string `json:"value"`
		Next  string   `json:"@odata.nextLink"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.Value == nil || answer.Next != "" || len(answer.Value) > maxGraphGroups {
		return idp.RoleValues{Present: true, Problem: idp.ReasonOverage}
	}
	return idp.RoleValues{Present: true, Values: answer.Value}
}
