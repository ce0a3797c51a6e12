package sqlstore

import (
	"time"

	"github.com/watchgate/watchgate/storage"
)

const keyColumns = "id, profile, name, hash, hint, kid, owner_id, client_id, parent_id, scopes, allowed_ips, created_at, " +
	"expires_at, revoked_at, revoked_reason, quarantined_at, rotate_at, predecessor, successor, webhook_url, last_used_at, version, webhook_secret"

func keyFields(k *storage.APIKey) []any {
	return []any{(*str)(&k.ID), (*str)(&k.Profile), (*str)(&k.Name), (*digest)(&k.Hash), (*str)(&k.Hint), (*str)(&k.KID),
		(*str)(&k.Owner), (*str)(&k.Client), (*str)(&k.Parent), (*words)(&k.Scopes), (*words)(&k.AllowedIPs), at(&k.CreatedAt),
		at(&k.ExpiresAt), at(&k.RevokedAt), (*str)(&k.RevokedReason), at(&k.QuarantinedAt), at(&k.RotateAt),
		(*str)(&k.Predecessor), (*str)(&k.Successor), (*str)(&k.WebhookURL), at(&k.LastUsedAt), (*num)(&k.Version),
		&k.SealedWebhookSecret}
}

func keyArgs(k storage.APIKey) []any {
	return []any{string(k.ID), k.Profile, k.Name, k.Hash[:], k.Hint, k.KID,
		string(k.Owner), string(k.Client), string(k.Parent), joined(k.Scopes), joined(k.AllowedIPs), when(k.CreatedAt),
		when(k.ExpiresAt), when(k.RevokedAt), k.RevokedReason, when(k.QuarantinedAt), when(k.RotateAt),
		string(k.Predecessor), string(k.Successor), k.WebhookURL, when(k.LastUsedAt), k.Version, optional(k.SealedWebhookSecret)}
}

const executionColumns = "id, key_id, name, started_at, ended_at"

func executionFields(e *storage.KeyExecution) []any {
	return []any{(*str)(&e.ID), (*str)(&e.Key), (*str)(&e.Name), at(&e.StartedAt), at(&e.EndedAt)}
}

func executionArgs(e storage.KeyExecution) []any {
	return []any{string(e.ID), string(e.Key), e.Name, when(e.StartedAt), when(e.EndedAt)}
}

// dueColumns are those of a delivery without its secret.
const dueColumns = "tenant_id, key_id, old_key_id, attempts, next_at, created_at, expires_at, warn_at, warned_at, done_at"

func dueFields(d *storage.KeyDelivery) []any {
	return []any{(*str)(&d.Tenant), (*str)(&d.Key), (*str)(&d.Old), counter{&d.Attempts}, at(&d.NextAt), at(&d.CreatedAt),
		at(&d.ExpiresAt), at(&d.WarnAt), at(&d.WarnedAt), at(&d.DoneAt)}
}

const deliveryColumns = dueColumns + ", sealed"

func deliveryFields(d *storage.KeyDelivery) []any { return append(dueFields(d), &d.Sealed) }

func deliveryArgs(tenant string, d storage.KeyDelivery) []any {
	return []any{tenant, string(d.Key), string(d.Old), int64(d.Attempts), when(d.NextAt), when(d.CreatedAt),
		when(d.ExpiresAt), when(d.WarnAt), when(d.WarnedAt), when(d.DoneAt), optional(d.Sealed)}
}

const useColumns = "key_id, day, refused, ip, scope, resource_server, calls, last_at"

func useFields(u *storage.KeyUse) []any {
	return []any{(*str)(&u.Key), at(&u.Day), (*str)(&u.Refused), (*str)(&u.IP), (*str)(&u.Scope), (*str)(&u.ResourceServer),
		(*num)(&u.Calls), at(&u.LastAt)}
}

func useArgs(u storage.KeyUse) []any {
	return []any{string(u.Key), when(u.Day.UTC().Truncate(24 * time.Hour)), u.Refused, u.IP, u.Scope, string(u.ResourceServer), u.Calls, when(u.LastAt)}
}

const requestColumns = "caller, request_key, fingerprint, started_at, lease_until, expires_at, status, answer"

func requestFields(r *storage.IdempotentRequest) []any {
	return []any{(*digest)(&r.Caller), (*digest)(&r.Key), (*digest)(&r.Fingerprint), at(&r.StartedAt), at(&r.LeaseUntil),
		at(&r.ExpiresAt), counter{&r.Status}, &r.Answer}
}

func requestArgs(r storage.IdempotentRequest) []any {
	return []any{r.Caller[:], r.Key[:], r.Fingerprint[:], when(r.StartedAt), when(r.LeaseUntil),
		when(r.ExpiresAt), int64(r.Status), optional(r.Answer)}
}
