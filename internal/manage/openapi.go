package manage

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// aboutAPI opens the description. Paragraphs are separated by an empty line.
const aboutAPI = `Manage what belongs to a tenant: its API keys, how they are used, and what runs under them; its people, their sessions, how they sign in, and its policy.

Send one credential in each request: an access token or an API key in the header ` + "`Authorization: Bearer`" + `, or an API key in ` + "`X-API-Key`" + `. A credential in the URL or in a cookie, and two at once, are refused. The tenant is the credential's: an object of another tenant does not exist here. What a credential may do is what its scopes and the role of its owner allow at this moment.

Bodies and answers are JSON. With ` + "`Accept: application/ld+json`" + ` answers are JSON-LD, and lists are collections of the W3C Hydra vocabulary with ` + "`totalItems`" + ` and the addresses of the first, the next and the last page. Fields and parameters that are not described here are refused by name.

Errors are problems (RFC 9457). Their ` + "`type`" + ` is the address of a page that explains them and never changes; ` + "`errors`" + ` names the fields that are not right; ` + "`instance`" + ` and the header ` + "`X-Request-Id`" + ` lead the operator to the log.

Lists come in pages. Send ` + "`next_cursor`" + ` of an answer as ` + "`cursor`" + ` to get the next page, with the same filters. The header ` + "`Link`" + ` has the same as addresses.

A POST that takes ` + "`Idempotency-Key`" + ` can be sent again with the same key and the same body within 24 hours: it is done once, and the second answer is the first, with ` + "`Idempotency-Replayed: true`" + `.

Objects that can be changed have an ` + "`ETag`" + `. Send it back in ` + "`If-Match`" + ` and the change is made only if nobody else made one meanwhile.

Over a rate limit the answer is 429 with ` + "`RateLimit-Policy`" + `, ` + "`RateLimit`" + ` and ` + "`Retry-After`" + ` (seconds). Answers to what the server cannot say right now are 503 with ` + "`Retry-After`" + `.`

// Names of the security schemes.
const (
	schemeBearer = "bearer"
	schemeAPIKey = "apiKey"
	schemeOAuth  = "oauth2"
)

// problemRef is where the schema of problems is.
const problemRef = "#/components/schemas/Problem"

// outline is the document before there are operations in it.
func (a *API) outline() *huma.OpenAPI {
	registry := huma.NewMapRegistry("#/components/schemas/", schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[document]())
	registry.Schema(reflect.TypeFor[document](), true, "")
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "Watchgate management API", Version: a.cfg.Version, Description: aboutAPI,
			License: &huma.License{Name: "Apache 2.0", Identifier: "Apache-2.0"},
		},
		Servers:    []*huma.Server{{URL: a.cfg.Issuer}},
		Components: &huma.Components{Schemas: registry, SecuritySchemes: a.securitySchemes()},
	}
}

// schemaName is a type's name in the document: without the package, with a capital.
func schemaName(t reflect.Type, hint string) string {
	if t == reflect.TypeFor[document]() {
		return "Problem"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

func (a *API) securitySchemes() map[string]*huma.SecurityScheme {
	endpoint := strings.TrimSuffix(a.cfg.Issuer, "/") + "/oauth2/"
	return map[string]*huma.SecurityScheme{
		schemeBearer: {Type: "http", Scheme: "bearer", Description: "An access token or an API key (RFC 6750)."},
		schemeAPIKey: {Type: "apiKey", In: "header", Name: headerKey, Description: "An API key."},
		schemeOAuth: {Type: "oauth2", Description: "How apps get an access token. Every client uses PKCE.", Flows: &huma.OAuthFlows{
			AuthorizationCode: &huma.OAuthFlow{AuthorizationURL: endpoint + "authorize", TokenURL: endpoint + "token", RefreshURL: endpoint + "token", Scopes: map[string]string{}},
			ClientCredentials: &huma.OAuthFlow{TokenURL: endpoint + "token", Scopes: map[string]string{}},
		}},
	}
}

// humaOperation is an operation as huma knows it.
func (a *API) humaOperation(op Operation) huma.Operation {
	out := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description, Tags: []string{op.Tag},
		DefaultStatus: op.Status, Metadata: map[string]any{metadataKey: op}, Extensions: map[string]any{},
	}
	scopes := append([]string{}, op.Scopes...)
	for _, scheme := range []string{schemeBearer, schemeAPIKey, schemeOAuth} {
		out.Security = append(out.Security, map[string][]string{scheme: scopes})
	}
	if op.IssuesCredentials {
		out.Extensions["x-second-factor"] = "as the tenant's policy asks of people who issue credentials"
	}
	if op.Self {
		out.Extensions["x-scopes-not-needed-for"] = "the key with this id"
	}
	if op.Idempotent {
		longest, least := maxIdempotencyKey, 1
		out.Parameters = append(out.Parameters, &huma.Param{
			Name: headerIdempotency, In: "header", Example: "8e03978e-40d5-43dd-bc93-6894a57f9324",
			Description: "A word of your own for this request. Sent again with the same key and body within 24 hours, the request is done once and answered alike.",
			Schema:      &huma.Schema{Type: huma.TypeString, MinLength: &least, MaxLength: &longest, Pattern: "^[!-~]+$"},
		})
	}
	return out
}

// finish completes an operation's description with what huma does not know.
func (a *API) finish(op Operation) {
	doc := a.documented(op)
	a.noteScopes(op)
	for _, p := range doc.Parameters {
		if p.Description == "" && p.Schema != nil {
			p.Description = p.Schema.Description
		}
	}
	if doc.RequestBody != nil {
		for media, content := range doc.RequestBody.Content {
			content.Example = a.example(content.Schema, media != mediaPatch)
		}
		if patch := doc.RequestBody.Content[mediaPatch]; patch != nil {
			doc.RequestBody.Content[mediaJSON] = patch
		}
	}
	for status, response := range doc.Responses {
		if status[0] == '2' {
			a.finishSuccess(op, response)
		}
	}
	delete(doc.Responses, "default")
	a.addProblems(doc, op)
}

// documented is the operation in the document.
func (a *API) documented(op Operation) *huma.Operation {
	item := a.huma.OpenAPI().Paths[op.Path]
	return map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete,
	}[op.Method]
}

// noteScopes adds an operation's scopes to those that apps may ask for.
func (a *API) noteScopes(op Operation) {
	flows := a.huma.OpenAPI().Components.SecuritySchemes[schemeOAuth].Flows
	for _, scope := range op.Scopes {
		flows.AuthorizationCode.Scopes[scope] = a.cfg.Scopes[scope]
		flows.ClientCredentials.Scopes[scope] = a.cfg.Scopes[scope]
	}
}

// finishSuccess adds the headers and the other form of a successful answer.
func (a *API) finishSuccess(op Operation, r *huma.Response) {
	if r.Headers == nil {
		r.Headers = map[string]*huma.Param{}
	}
	header := func(name, text, example string) {
		r.Headers[name] = &huma.Param{Description: text, Schema: &huma.Schema{Type: huma.TypeString, Examples: []any{example}}}
	}
	header("X-Request-Id", "The request's id in the operator's log.", "abcdefghijklmnop")
	if op.Idempotent {
		header(headerReplayed, "true: this is the answer to an earlier request with the same Idempotency-Key.", "true")
	}
	if _, ok := r.Headers["ETag"]; ok {
		header("ETag", "The version of the object, for If-Match.", `"3"`)
	}
	if op.Stream {
		r.Content = map[string]*huma.MediaType{mediaEvents: {Schema: &huma.Schema{Type: huma.TypeString, Description: "Server-sent events. A line that begins with a colon is a sign of life."}}}
		return
	}
	if plain := r.Content[mediaJSON]; plain != nil {
		plain.Example = a.example(plain.Schema, true)
		r.Content[mediaLD] = &huma.MediaType{Schema: a.linkedSchema(plain.Schema)}
	}
}

// linkedSchema describes the JSON-LD form of an answer.
func (a *API) linkedSchema(plain *huma.Schema) *huma.Schema {
	text := func(description string) *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Description: description}
	}
	s := &huma.Schema{Type: huma.TypeObject, Description: "The same as JSON-LD, with @context, @id and @type.", Properties: map[string]*huma.Schema{
		"@context": text("Where the context is"), "@id": text("The address of the object"), "@type": text("Its type"),
	}}
	if a.resolve(plain).Properties["items"] == nil {
		return s
	}
	view := &huma.Schema{Type: huma.TypeObject, Description: "Which page this is, and where the others are", Properties: map[string]*huma.Schema{
		"@id": text("This page"), "@type": text("PartialCollectionView"), "first": text("The first page"), "next": text("The next page; absent on the last one"), "last": text("The last page"),
	}}
	s.Description = "A Hydra collection."
	s.Required = []string{"totalItems", "member", "view"}
	s.Properties["totalItems"] = &huma.Schema{Type: huma.TypeInteger, Description: "How many there are on all pages"}
	s.Properties["member"] = &huma.Schema{Type: huma.TypeArray, Description: "The objects of this page", Items: &huma.Schema{Type: huma.TypeObject}}
	s.Properties["view"] = view
	return s
}

// resolve follows a reference.
func (a *API) resolve(s *huma.Schema) *huma.Schema {
	for s != nil && s.Ref != "" {
		s = a.huma.OpenAPI().Components.Schemas.SchemaFromRef(s.Ref)
	}
	if s == nil {
		return &huma.Schema{}
	}
	return s
}

// problemKinds are all the kinds that an operation may answer with.
func problemKinds(doc *huma.Operation, op Operation) []Kind {
	all := []Kind{InvalidRequest, Unauthenticated, NotAcceptable, QuotaExceeded, Internal, Unavailable}
	if len(op.Scopes) > 0 {
		all = append(all, InsufficientScope)
	}
	if doc.RequestBody != nil {
		all = append(all, Invalid, UnsupportedMediaType, PayloadTooLarge)
	}
	if op.IssuesCredentials {
		all = append(all, MFARequired)
	}
	if op.Idempotent {
		all = append(all, IdempotencyMismatch, IdempotencyInFlight)
	}
	for _, p := range doc.Parameters {
		if p.Name == "If-Match" {
			all = append(all, PreconditionFailed)
		}
	}
	all = append(all, op.Problems...)
	slices.Sort(all)
	return slices.Compact(all)
}

// addProblems describes the refusals, by status.
func (a *API) addProblems(doc *huma.Operation, op Operation) {
	byStatus := map[int][]Kind{}
	for _, k := range problemKinds(doc, op) {
		byStatus[k.Status()] = append(byStatus[k.Status()], k)
	}
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		doc.Responses[strconv.Itoa(status)] = a.problemResponse(status, byStatus[status], op)
	}
}

func (a *API) problemResponse(status int, of []Kind, op Operation) *huma.Response {
	examples := map[string]*huma.Example{}
	var titles []string
	for _, k := range of {
		titles = append(titles, k.facts().title+".")
		p := &Problem{Kind: k}
		if k == InsufficientScope {
			p.scopes = op.Scopes
		}
		examples[string(k)] = &huma.Example{Summary: k.facts().title, Value: a.document(p, status, "")}
	}
	r := &huma.Response{
		Description: strings.Join(titles, " "), Headers: map[string]*huma.Param{},
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: &huma.Schema{Ref: problemRef}, Examples: examples}},
	}
	for name, text := range problemHeaders[status] {
		r.Headers[name] = &huma.Param{Description: text, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return r
}

// problemHeaders are headers that come with a refusal.
var problemHeaders = map[int]map[string]string{
	http.StatusUnauthorized: {"WWW-Authenticate": "What is asked for (RFC 6750; of a sign-in, RFC 9470)."},
	http.StatusForbidden:    {"WWW-Authenticate": "The scopes that are needed (RFC 6750), where a scope is missing."},
	http.StatusTooManyRequests: {
		"Retry-After": "Seconds.", "RateLimit-Policy": "The quota, with its window in seconds.", "RateLimit": "What is left of it, and for how long.",
	},
	http.StatusServiceUnavailable: {"Retry-After": "Seconds."},
}

// example builds a value of a schema from the examples of its fields. all is false
// for bodies in which fewer fields are the usual thing.
func (a *API) example(s *huma.Schema, all bool) any {
	s = a.resolve(s)
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	}
	switch s.Type {
	case huma.TypeObject:
		return a.exampleObject(s, all)
	case huma.TypeArray:
		return []any{a.example(s.Items, all)}
	case huma.TypeInteger, huma.TypeNumber:
		return 1
	case huma.TypeBoolean:
		return true
	}
	if plain, ok := exampleByFormat[s.Format]; ok {
		return plain
	}
	return "text"
}

// exampleByFormat are values of formats for which nobody gave an example.
var exampleByFormat = map[string]string{
	"date-time": "2027-01-31T15:04:05Z", "date": "2027-01-31", "uri": "https://api.example.com/", "ip": "192.0.2.7",
}

// exampleObject has the fields that have an example, and those that must be there.
func (a *API) exampleObject(s *huma.Schema, all bool) map[string]any {
	out := map[string]any{}
	for name, field := range s.Properties {
		of := a.resolve(field)
		nested := of.Type == huma.TypeObject || of.Type == huma.TypeArray && a.resolve(of.Items).Type == huma.TypeObject
		switch {
		case len(field.Examples) > 0:
			out[name] = field.Examples[0]
		case slices.Contains(s.Required, name), all && nested && len(of.Properties) > 0:
			out[name] = a.example(field, all)
		}
	}
	return out
}
