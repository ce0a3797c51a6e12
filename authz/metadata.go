package authz

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
)

// metadataMaxAge is how long clients may keep metadata and keys, in seconds. It
// is far below the time for which a key is published before it signs.
const metadataMaxAge = "300"

// metadataDocument is RFC 8414 and OpenID Connect Discovery 1.0 in one: both
// addresses give the same document. It names what exists and nothing else
// (MD-09). Of the contexts it names those that mean the same in every tenant; which
// others there are is each tenant's identity provider's to say.
type metadataDocument struct {
	Issuer                           string   `json:"issuer"`
	AuthorizationEndpoint            string   `json:"authorization_endpoint"`
	TokenEndpoint                    string   `json:"token_endpoint"`
	UserInfoEndpoint                 string   `json:"userinfo_endpoint"`
	RevocationEndpoint               string   `json:"revocation_endpoint"`
	IntrospectionEndpoint            string   `json:"introspection_endpoint"`
	EndSessionEndpoint               string   `json:"end_session_endpoint"`
	JWKSURI                          string   `json:"jwks_uri"`
	ScopesSupported                  []string `json:"scopes_supported"`
	ResponseTypesSupported           []string `json:"response_types_supported"`
	ResponseModesSupported           []string `json:"response_modes_supported"`
	GrantTypesSupported              []string `json:"grant_types_supported"`
	SubjectTypesSupported            []string `json:"subject_types_supported"`
	IDTokenAlgs                      []string `json:"id_token_signing_alg_values_supported"`
	TokenAuthMethods                 []string `json:"token_endpoint_auth_methods_supported"`
	RevocationAuthMethods            []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods         []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgs                []string `json:"introspection_signing_alg_values_supported"`
	CodeChallengeMethods             []string `json:"code_challenge_methods_supported"`
	PromptValues                     []string `json:"prompt_values_supported"`
	ClaimTypes                       []string `json:"claim_types_supported"`
	ClaimsSupported                  []string `json:"claims_supported"`
	ACRValues                        []string `json:"acr_values_supported"`
	ClaimsParameterSupported         bool     `json:"claims_parameter_supported"`
	RequestParameterSupported        bool     `json:"request_parameter_supported"`
	RequestURIParameterSupported     bool     `json:"request_uri_parameter_supported"`
	ResponseIssuerParameterSupported bool     `json:"authorization_response_iss_parameter_supported"`
	BackchannelLogoutSupported       bool     `json:"backchannel_logout_supported"`
	BackchannelSessionSupported      bool     `json:"backchannel_logout_session_supported"`
	FrontchannelLogoutSupported      bool     `json:"frontchannel_logout_supported"` // never: it takes third-party cookies
}

// metadataPaths are where the document is: appended to the issuer, and, for an
// issuer with a path, inserted before it (RFC 8414 section 3.1, MD-01).
func metadataPaths(base string) []string {
	const oauth, oidc = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	if base == "" {
		return []string{oauth, oidc}
	}
	return []string{oauth + base, oidc + base, base + oidc}
}

// metadata serves the document.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) error {
	scopes, err := s.scopesSupported(r.Context())
	if err != nil {
		return web.Unavailable(err)
	}
	body, err := json.Marshal(s.document(scopes))
	if err != nil {
		return err
	}
	return cacheable(w, r, body)
}

func (s *Server) document(scopes []string) metadataDocument {
	at := func(path string) string { return s.cfg.Issuer + path }
	secret := []string{"client_secret_basic", "client_secret_post"}
	methods := append(slices.Clone(secret), "none")
	return metadataDocument{
		Issuer:                at(""),
		AuthorizationEndpoint: at("/oauth2/authorize"),
		TokenEndpoint:         at("/oauth2/token"),
		UserInfoEndpoint:      at("/oauth2/userinfo"),
		RevocationEndpoint:    at("/oauth2/revoke"),
		IntrospectionEndpoint: at("/oauth2/introspect"),
		EndSessionEndpoint:    at("/oauth2/logout"),
		JWKSURI:               at("/.well-known/jwks.json"),

		ScopesSupported:        scopes,
		ResponseTypesSupported: []string{"code"},
		ResponseModesSupported: []string{modeQuery, modeFormPost},
		GrantTypesSupported:    s.grantTypes(),
		SubjectTypesSupported:  []string{"public"},
		IDTokenAlgs:            s.cfg.Signer.Algs(),
		CodeChallengeMethods:   []string{"S256"},
		PromptValues:           prompts,
		ClaimTypes:             []string{"normal"},
		ClaimsSupported:        claimsSupported(),
		ACRValues:              []string{string(storage.LevelPHR), string(storage.LevelMFA)},

		TokenAuthMethods:         methods,
		RevocationAuthMethods:    methods,
		IntrospectionAuthMethods: secret,
		IntrospectionAlgs:        []string{"RS256"}, // RFC 9701 section 7; the default of section 6

		ClaimsParameterSupported:         true,
		ResponseIssuerParameterSupported: true,
		BackchannelLogoutSupported:       true,
		BackchannelSessionSupported:      true,
	}
}

// grantTypes are those that there are handlers for.
func (s *Server) grantTypes() []string {
	types := []string{storage.GrantAuthorizationCode, storage.GrantRefreshToken, storage.GrantClientCredentials}
	if s.cfg.Keys != nil {
		types = append(types, storage.GrantTokenExchange)
	}
	return types
}

// claimsSupported are the claims that an ID token or UserInfo may have.
func claimsSupported() []string {
	names := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "sid", claimTenant, claimTenantID}
	for _, scope := range ownScopes {
		names = append(names, claimsByScope[scope]...)
	}
	return names
}

// scopesSupported are our own, and those of the resource servers that are open
// to every tenant. A tenant's own resource servers are nobody else's business.
func (s *Server) scopesSupported(ctx context.Context) ([]string, error) {
	servers, err := s.resources.all(ctx, s.now(), false)
	if err != nil {
		// The document grants nothing: while the store is away, the last list is
		// better than none.
		known, ok := s.resources.servers.last(struct{}{})
		if !ok {
			return nil, err
		}
		servers = known
	}
	var others []string
	for _, rs := range servers {
		for _, scope := range rs.Scopes {
			if rs.TenantID == "" && !slices.Contains(ownScopes, scope.Name) {
				others = append(others, scope.Name)
			}
		}
	}
	slices.Sort(others)
	return slices.Concat(ownScopes, slices.Compact(others)), nil
}

// jwks serves the public signing keys.
func (s *Server) jwks(w http.ResponseWriter, r *http.Request) error {
	body, err := s.cfg.Signer.JWKS(r.Context())
	if err != nil {
		return web.Unavailable(err)
	}
	return cacheable(w, r, body)
}

// cacheable writes a public JSON document with its ETag, or 304 to who has it
// (MD-08).
func cacheable(w http.ResponseWriter, r *http.Request, body []byte) error {
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age="+metadataMaxAge)
	h.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:16])+`"`)
	// ServeContent answers If-None-Match and HEAD. The modification time that it
	// could also use is not known.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return nil
}
