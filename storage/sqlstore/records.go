package sqlstore

import (
	"slices"
	"strconv"
	"strings"

	"github.com/watchgate/watchgate/storage"
)

// Each record has three parts, in one order: its columns under the alias that
// every statement gives its table, the places to read them to, and the
// arguments that store them. A column that a left join leaves NULL reads as the
// zero value.

// insert is an INSERT of one row into the columns.
func insert(table, columns string) string {
	names := splitColumns(columns)
	marks := make([]string, len(names))
	for i := range names {
		marks[i] = "$" + strconv.Itoa(i+1)
	}
	return "INSERT INTO " + table + " (" + columns + ") VALUES (" + strings.Join(marks, ", ") + ")"
}

// selectInstead makes an INSERT store its values once for each row that the
// FROM clause, which has to follow, finds.
func selectInstead(insert string) string {
	head, values, _ := strings.Cut(insert, " VALUES (")
	return head + " SELECT " + strings.TrimSuffix(values, ")")
}

// marked makes an INSERT of a tenant's credential, whose first value is the tenant,
// store the mark of that moment.
func marked(insert, client, connection string) string {
	insert = strings.Replace(insert, ") VALUES (", ", tenant_mark) VALUES (", 1)
	return strings.TrimSuffix(insert, ")") + ", " + mark(client, connection) + ")"
}

// mark is what a credential of the tenant $1 has to have been stored under to be good.
// None of its parts ever decreases, so that it comes back by no change of theirs: what
// the tenant calls the start of its tokens' time, and how often the client and the
// connection were disabled.
func mark(client, connection string) string {
	return "COALESCE((SELECT m.tokens_not_before FROM tenants m WHERE m.id = $1), 0)" +
		" + COALESCE((SELECT m.interruptions FROM clients m WHERE m.id = " + client + "), 0)" +
		" + COALESCE((SELECT m.interruptions FROM connections m WHERE m.tenant_id = $1 AND m.id = " + connection + "), 0)"
}

// counting makes an UPDATE of a versioned row that may be disabled count when it comes
// to be.
func counting(update *command, columns string) *command {
	set := "$" + strconv.Itoa(slices.Index(splitColumns(columns), "disabled_at")+1)
	return one(strings.Replace(update.plain, "SET ", "SET interruptions = interruptions + CASE WHEN disabled_at IS NULL AND CAST("+
		set+" AS BIGINT) IS NOT NULL THEN 1 ELSE 0 END, ", 1))
}

// from is a list of columns under an alias.
func from(alias, columns string) string {
	return alias + "." + strings.ReplaceAll(columns, ", ", ", "+alias+".")
}

const tenantColumns = "id, slug, name, suspended_at, suspend_reason, tokens_not_before, policy, created_at, version"

func tenantFields(t *storage.Tenant) []any {
	return []any{(*str)(&t.ID), (*str)(&t.Slug), (*str)(&t.Name), at(&t.SuspendedAt), (*str)(&t.SuspendReason),
		at(&t.TokensNotBefore), within(&t.Policy), at(&t.CreatedAt), (*num)(&t.Version)}
}

func tenantArgs(t storage.Tenant) []any {
	return []any{string(t.ID), t.Slug, t.Name, when(t.SuspendedAt), t.SuspendReason,
		when(t.TokensNotBefore), jsonText(t.Policy), when(t.CreatedAt), t.Version}
}

const clientColumns = "id, owner_tenant, name, uri, auth_method, secrets, grant_types, redirect_uris, " +
	"post_logout_redirect_uris, scopes, form_post, pkce_optional, service_tenant, id_token_alg, verified, " +
	"disabled_at, created_at, backchannel_logout_uri, backchannel_logout_session, version"

func clientFields(c *storage.Client) []any {
	return []any{(*str)(&c.ID), (*str)(&c.Owner), (*str)(&c.Name), (*str)(&c.URI), (*str)(&c.AuthMethod),
		within(&c.Secrets), (*words)(&c.GrantTypes), (*words)(&c.RedirectURIs),
		(*words)(&c.PostLogoutRedirectURIs), (*words)(&c.Scopes), (*flag)(&c.FormPost), (*flag)(&c.PKCEOptional),
		(*str)(&c.ServiceTenant), (*str)(&c.IDTokenAlg), (*flag)(&c.Verified),
		at(&c.DisabledAt), at(&c.CreatedAt), (*str)(&c.BackchannelLogoutURI), (*flag)(&c.BackchannelSession), (*num)(&c.Version)}
}

func clientArgs(c storage.Client) []any {
	return []any{string(c.ID), string(c.Owner), c.Name, c.URI, string(c.AuthMethod),
		orNothing(len(c.Secrets) == 0, c.Secrets), joined(c.GrantTypes), joined(c.RedirectURIs),
		joined(c.PostLogoutRedirectURIs), joined(c.Scopes), c.FormPost, c.PKCEOptional,
		string(c.ServiceTenant), c.IDTokenAlg, c.Verified,
		when(c.DisabledAt), when(c.CreatedAt), c.BackchannelLogoutURI, c.BackchannelSession, c.Version}
}

const resourceServerColumns = "id, name, bound_tenant, audience, secrets, scopes, disabled_at, created_at, version"

func resourceServerFields(r *storage.ResourceServer) []any {
	return []any{(*str)(&r.ID), (*str)(&r.Name), (*str)(&r.TenantID), (*str)(&r.Audience),
		within(&r.Secrets), within(&r.Scopes), at(&r.DisabledAt), at(&r.CreatedAt), (*num)(&r.Version)}
}

func resourceServerArgs(r storage.ResourceServer) []any {
	return []any{string(r.ID), r.Name, string(r.TenantID), r.Audience,
		orNothing(len(r.Secrets) == 0, r.Secrets), orNothing(len(r.Scopes) == 0, r.Scopes),
		when(r.DisabledAt), when(r.CreatedAt), r.Version}
}

const signingKeyColumns = "kid, alg, use, public, sealed, created_at, active_at, retired_at, remove_at, version"

func signingKeyFields(k *storage.SigningKey) []any {
	return []any{(*str)(&k.KID), (*str)(&k.Alg), (*str)(&k.Use), &k.Public, &k.Sealed,
		at(&k.CreatedAt), at(&k.ActiveAt), at(&k.RetiredAt), at(&k.RemoveAt), (*num)(&k.Version)}
}

const loginColumns = "id, step, browser, request, return_to, tenant, connection_id, session_id, email, " +
	"purpose, need, ceremony, test, created_at, expires_at, version"

func loginFields(l *storage.Login) []any {
	return []any{(*str)(&l.ID), (*str)(&l.Step), &l.Browser, within(&l.Request), (*str)(&l.ReturnTo),
		(*str)(&l.Tenant), (*str)(&l.Connection), (*str)(&l.Session), (*str)(&l.Email),
		(*str)(&l.Purpose), within(&l.Need), &l.Ceremony, (*str)(&l.Test), at(&l.CreatedAt), at(&l.ExpiresAt), (*num)(&l.Version)}
}

func loginArgs(l storage.Login) []any {
	return []any{string(l.ID), string(l.Step), orEmpty(l.Browser), orNothing(l.Request == nil, l.Request), l.ReturnTo,
		string(l.Tenant), string(l.Connection), string(l.Session), l.Email,
		string(l.Purpose), orNothing(l.Need == storage.Need{}, l.Need), optional(l.Ceremony), string(l.Test), when(l.CreatedAt), when(l.ExpiresAt), l.Version}
}

// orEmpty is never nil, which would be NULL.
func orEmpty(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

const userColumns = "id, role, email, email_verified, claims, disabled_at, created_at, proved_email, version"

func userFields(u *storage.User) []any {
	return []any{(*str)(&u.ID), (*str)(&u.Role), (*str)(&u.Email), (*flag)(&u.EmailVerified), within(&u.Claims),
		at(&u.DisabledAt), at(&u.CreatedAt), (*str)(&u.ProvedEmail), (*num)(&u.Version)}
}

// userStored are a user's columns with the address as it is compared, which nobody
// reads.
const userStored = "id, role, email, email_verified, claims, disabled_at, created_at, proved_email, email_lower, version"

func userArgs(u storage.User) []any {
	return []any{string(u.ID), string(u.Role), u.Email, u.EmailVerified, orNothing(len(u.Claims) == 0, u.Claims),
		when(u.DisabledAt), when(u.CreatedAt), u.ProvedEmail, strings.ToLower(u.Email), u.Version}
}

const connectionColumns = "id, kind, name, issuer, client_id, client_secret, scopes, algs, create_users, default_role, " +
	"role_claim, disabled_at, created_at, preset, settings, next_secret, secret_expires_at, secret_warned_at, version"

func connectionFields(c *storage.Connection) []any {
	return []any{(*str)(&c.ID), (*str)(&c.Kind), (*str)(&c.Name), (*str)(&c.Issuer), (*str)(&c.ClientID),
		&c.SealedSecret, (*words)(&c.Scopes), (*words)(&c.Algs), (*flag)(&c.CreateUsers), (*str)(&c.DefaultRole),
		(*str)(&c.RoleClaim), at(&c.DisabledAt), at(&c.CreatedAt), (*str)(&c.Preset), within(&c.Settings),
		&c.SealedNextSecret, at(&c.SecretExpiresAt), at(&c.SecretWarnedAt), (*num)(&c.Version)}
}

func connectionArgs(c storage.Connection) []any {
	return []any{string(c.ID), string(c.Kind), c.Name, c.Issuer, c.ClientID,
		optional(c.SealedSecret), joined(c.Scopes), joined(c.Algs), c.CreateUsers, string(c.DefaultRole),
		c.RoleClaim, when(c.DisabledAt), when(c.CreatedAt), string(c.Preset), jsonText(c.Settings),
		optional(c.SealedNextSecret), when(c.SecretExpiresAt), when(c.SecretWarnedAt), c.Version}
}

const domainColumns = "name, connection_id, verified_at, token, created_at, checked_at, failing_since, sso_required, by_operator, version"

func domainFields(d *storage.Domain) []any {
	return []any{(*str)(&d.Name), (*str)(&d.Connection), at(&d.VerifiedAt), (*str)(&d.Token), at(&d.CreatedAt), at(&d.CheckedAt),
		at(&d.FailingSince), (*flag)(&d.SSORequired), (*flag)(&d.ByOperator), (*num)(&d.Version)}
}

func domainArgs(d storage.Domain) []any {
	return []any{d.Name, string(d.Connection), when(d.VerifiedAt), d.Token, when(d.CreatedAt), when(d.CheckedAt),
		when(d.FailingSince), d.SSORequired, d.ByOperator, d.Version}
}

const sessionColumns = "id, user_id, connection_id, handle, auth_time, acr, amr, created_at, last_seen_at, " +
	"expires_at, idle_timeout, level, mfa_at, pending, ip, user_agent, upstream_sid, ended_at"

func sessionFields(s *storage.Session) []any {
	return []any{(*str)(&s.ID), (*str)(&s.User), (*str)(&s.Connection), &s.Handle, at(&s.AuthTime), (*str)(&s.ACR),
		(*words)(&s.AMR), at(&s.CreatedAt), at(&s.LastSeenAt), at(&s.ExpiresAt), (*span)(&s.IdleTimeout),
		(*str)(&s.Level), at(&s.MFAAt), (*flag)(&s.Pending), (*str)(&s.IP), (*str)(&s.UserAgent), (*str)(&s.UpstreamSID), at(&s.EndedAt)}
}

func sessionArgs(s storage.Session) []any {
	return []any{string(s.ID), string(s.User), string(s.Connection), s.Handle, when(s.AuthTime), s.ACR,
		joined(s.AMR), when(s.CreatedAt), when(s.LastSeenAt), when(s.ExpiresAt), s.IdleTimeout.Milliseconds(),
		string(s.Level), when(s.MFAAt), s.Pending, s.IP, s.UserAgent, s.UpstreamSID, when(s.EndedAt)}
}

const grantColumns = "id, user_id, client_id, session_id, connection_id, key_id, scopes, resource, auth_time, acr, amr, nonce, " +
	"claims, created_at, expires_at, revoked_at, level, mfa_time, origin"

func grantFields(g *storage.Grant) []any {
	return []any{(*str)(&g.ID), (*str)(&g.User), (*str)(&g.Client), (*str)(&g.Session), (*str)(&g.Connection),
		(*str)(&g.Key), (*words)(&g.Scopes), (*words)(&g.Resource), at(&g.Auth.AuthTime), (*str)(&g.Auth.ACR), (*words)(&g.Auth.AMR),
		(*str)(&g.Nonce), (*str)(&g.Claims), at(&g.CreatedAt), at(&g.ExpiresAt), at(&g.RevokedAt),
		(*str)(&g.Auth.Level), at(&g.Auth.MFATime), (*str)(&g.Origin)}
}

func grantArgs(g storage.Grant) []any {
	return []any{string(g.ID), string(g.User), string(g.Client), string(g.Session), string(g.Connection),
		string(g.Key), joined(g.Scopes), joined(g.Resource), when(g.Auth.AuthTime), g.Auth.ACR, joined(g.Auth.AMR),
		g.Nonce, g.Claims, when(g.CreatedAt), when(g.ExpiresAt), when(g.RevokedAt),
		string(g.Auth.Level), when(g.Auth.MFATime), string(g.Origin)}
}

const consentColumns = "user_id, client_id, redirect_host, resource, scopes, client_version, approved_at"

func consentFields(c *storage.Consent) []any {
	return []any{(*str)(&c.User), (*str)(&c.Client), (*str)(&c.RedirectHost), (*str)(&c.Resource),
		(*words)(&c.Scopes), (*num)(&c.ClientVersion), at(&c.At)}
}

const codeColumns = "hash, bucket, grant_id, user_id, client_id, session_id, connection_id, redirect_uri, " +
	"redirect_sent, challenge, nonce, scopes, resource, claims, auth_time, acr, amr, auth_time_required, " +
	"created_at, expires_at, used_at, attempts, level, mfa_time"

func codeFields(c *storage.Code, bucket, attempts *num) []any {
	return []any{(*digest)(&c.Ref.Hash), bucket, (*str)(&c.Grant), (*str)(&c.User), (*str)(&c.Client),
		(*str)(&c.Session), (*str)(&c.Connection), (*str)(&c.RedirectURI),
		(*flag)(&c.RedirectSent), (*str)(&c.Challenge), (*str)(&c.Nonce), (*words)(&c.Scopes), (*words)(&c.Resource),
		(*str)(&c.Claims), at(&c.Auth.AuthTime), (*str)(&c.Auth.ACR), (*words)(&c.Auth.AMR), (*flag)(&c.AuthTimeRequired),
		at(&c.CreatedAt), at(&c.ExpiresAt), at(&c.UsedAt), attempts,
		(*str)(&c.Auth.Level), at(&c.Auth.MFATime)}
}

const accessColumns = "hash, bucket, id, grant_id, client_id, user_id, session_id, connection_id, scopes, audience, " +
	"auth_time, acr, amr, claims, issued_at, expires_at, revoked_at, level, mfa_time"

func accessFields(a *storage.AccessToken, bucket *num) []any {
	return []any{(*digest)(&a.Ref.Hash), bucket, (*str)(&a.ID), (*str)(&a.Grant), (*str)(&a.Client), (*str)(&a.User),
		(*str)(&a.Session), (*str)(&a.Connection), (*words)(&a.Scopes), (*words)(&a.Audience),
		at(&a.Auth.AuthTime), (*str)(&a.Auth.ACR), (*words)(&a.Auth.AMR), (*str)(&a.Claims),
		at(&a.IssuedAt), at(&a.ExpiresAt), at(&a.RevokedAt), (*str)(&a.Auth.Level), at(&a.Auth.MFATime)}
}

func accessArgs(a storage.AccessToken) []any {
	return []any{a.Ref.Hash[:], int64(a.Ref.Bucket), string(a.ID), string(a.Grant), string(a.Client), string(a.User),
		string(a.Session), string(a.Connection), joined(a.Scopes), joined(a.Audience),
		when(a.Auth.AuthTime), a.Auth.ACR, joined(a.Auth.AMR), a.Claims,
		when(a.IssuedAt), when(a.ExpiresAt), when(a.RevokedAt), string(a.Auth.Level), when(a.Auth.MFATime)}
}

const refreshColumns = "hash, bucket, parent, grant_id, client_id, issued_at, idle_until, expires_at, rotated_at"

func refreshFields(r *storage.RefreshToken, bucket *num) []any {
	return []any{(*digest)(&r.Ref.Hash), bucket, &r.Parent, (*str)(&r.Grant), (*str)(&r.Client),
		at(&r.IssuedAt), at(&r.IdleUntil), at(&r.ExpiresAt), at(&r.RotatedAt)}
}

func refreshArgs(r storage.RefreshToken) []any {
	return []any{r.Ref.Hash[:], int64(r.Ref.Bucket), optional(r.Parent), string(r.Grant), string(r.Client),
		when(r.IssuedAt), when(r.IdleUntil), when(r.ExpiresAt), when(r.RotatedAt)}
}

const eventColumns = "id, at, kind, outcome, reason, actor_kind, actor_id, user_id, client_id, session_id, grant_id, " +
	"connection_id, object, ip, user_agent, request_id, details"

func eventFields(e *storage.Event) []any {
	return []any{(*str)(&e.ID), at(&e.Time), (*str)(&e.Kind), (*str)(&e.Outcome), (*str)(&e.Reason),
		(*str)(&e.ActorKind), (*str)(&e.ActorID), (*str)(&e.User), (*str)(&e.Client), (*str)(&e.Session), (*str)(&e.Grant),
		(*str)(&e.Connection), (*str)(&e.Object), (*str)(&e.IP), (*str)(&e.UserAgent), (*str)(&e.RequestID),
		within(&e.Details)}
}

func eventArgs(tenant string, e storage.Event) []any {
	return []any{tenant, string(e.ID), when(e.Time), e.Kind, e.Outcome, e.Reason,
		e.ActorKind, e.ActorID, string(e.User), string(e.Client), string(e.Session), string(e.Grant),
		string(e.Connection), e.Object, e.IP, e.UserAgent, e.RequestID,
		orNothing(len(e.Details) == 0, e.Details)}
}

func splitColumns(columns string) []string { return strings.Split(columns, ", ") }

// under puts tenant_id before a record's own columns.
func under(columns string) string { return "tenant_id, " + columns }

// owned puts the tenant before a record's own arguments.
func owned(tenant string, args []any) []any { return append([]any{tenant}, args...) }
