package storagetest

import (
	"encoding/hex"

	"github.com/watchgate/watchgate/storage"
)

// told says for every mutator what nodes that remember answers are told of its case
// in platformChanges or tenantChanges. Whoever adds a mutator decides. What kills or
// narrows anything, or changes what an answer says, is told; what makes something new
// is not, because nobody remembers that something is not there.
var told = map[string]func(w *world) []storage.Change{
	"CreateTenant":         nothing,
	"CreateClient":         nothing,
	"CreateResourceServer": nothing,
	"CreateConnection":     nothing,
	"IssueCode":            nothing,
	"RedeemCode":           nothing,
	"IssueToken":           nothing,

	"AppendEvent":         nothing,
	"AppendPlatformEvent": nothing,
	"PutDomain":           nothing, // who signs in where; nothing that was issued hangs on it
	"DeleteDomain":        nothing,
	"FailCode":            nothing, // a code is never remembered
	"PutSigningKeys":      nothing, // an opaque credential hangs on no key
	"RotateRefresh":       nothing, // a refresh token is never remembered, and kills no access token

	"CreateUser":           nothing,
	"InviteUser":           nothing,
	"RaiseSession":         nothing, // the handle that is dead is never remembered
	"PutConnectionTest":    nothing,
	"AddFactor":            nothing, // what was issued hangs on the session that was raised
	"RenameFactor":         nothing,
	"RemoveFactor":         nothing,
	"ReplaceRecoveryCodes": nothing,
	"UseRecoveryCode":      nothing,
	"CreateEmailLink":      nothing,
	"FinishLogout":         nothing,

	"CreateKey":      nothing,
	"MintUnderKey":   nothing,
	"FinishDelivery": nothing, // a secret was handed over, and nothing died
	"WarnDelivery":   nothing,
	// What was minted under a key hangs on it: the change of the key is theirs too.
	"UpdateKey": ofTenant(storage.ChangeKey, func(w *world) string { return string(w.a.key.ID) }),
	"RotateKey": ofTenant(storage.ChangeKey, func(w *world) string { return string(w.a.key.ID) }),
	"RevokeKey": ofTenant(storage.ChangeKey, func(w *world) string { return string(w.a.service.ID) }),

	"UpdateTenant": ofPlatform(storage.ChangeTenant, func(w *world) string { return string(w.a.tenant.ID) }),
	"UpdateClient": ofPlatform(storage.ChangeClient, func(w *world) string { return string(w.client.ID) }),
	"UpdateResourceServer": ofPlatform(storage.ChangeResourceServer, func(w *world) string {
		return string(w.rs.ID)
	}),

	"UpdateUser":       ofTenant(storage.ChangeUser, func(w *world) string { return string(w.a.user.ID) }),
	"UpdateConnection": ofTenant(storage.ChangeConnection, func(w *world) string { return string(w.a.connection.ID) }),
	"SignIn":           ofTenant(storage.ChangeSession, func(w *world) string { return string(w.a.session.ID) }),
	"EndSession":       ofTenant(storage.ChangeSession, func(w *world) string { return string(w.a.session.ID) }),
	"RevokeGrant":      ofTenant(storage.ChangeGrant, func(w *world) string { return string(w.a.grant.ID) }),
	"WithdrawConsent": ofTenant(storage.ChangeConsent, func(w *world) string {
		return storage.ConsentChange(w.a.user.ID, w.client.ID)
	}),
	"RevokeToken": ofTenant(storage.ChangeToken, func(w *world) string {
		return hex.EncodeToString(w.a.access.Ref.Hash[:])
	}),
}

func nothing(*world) []storage.Change { return nil }

// ofPlatform is the change of one thing that belongs to no tenant.
func ofPlatform(kind storage.ChangeKind, id func(w *world) string) func(w *world) []storage.Change {
	return func(w *world) []storage.Change { return []storage.Change{{Kind: kind, ID: id(w)}} }
}

// ofTenant is the change of one thing of tenant a.
func ofTenant(kind storage.ChangeKind, id func(w *world) string) func(w *world) []storage.Change {
	return func(w *world) []storage.Change {
		return []storage.Change{{Kind: kind, Tenant: w.a.tenant.ID, ID: id(w)}}
	}
}
