package audit

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/storage"
)

// marker stands for everything that no event may carry.
const marker = "SECRET"

var at = time.Date(2026, 11, 22, 10, 30, 0, 123456789, time.FixedZone("", 3600))

// Records of every kind, with the marker wherever a secret or its hash is kept.
var (
	secretHash = [32]byte{'S', 'E', 'C', 'R', 'E', 'T'}
	secrets    = []storage.Secret{{Hash: []byte(marker)}}
	user       = storage.User{ID: "usr_1", Role: storage.RoleOwner, Email: marker, Claims: map[string]any{"name": marker}}
	session    = storage.Session{ID: "ses_1", User: "usr_1", Connection: "con_1", Handle: []byte(marker), ACR: "mfa", AMR: []string{"pwd", "otp"}}
	request    = storage.AuthorizeRequest{Client: "app_1", Scopes: []string{"a", "b"}, State: marker, Nonce: marker, Challenge: marker, LoginHint: marker}
	code       = storage.Code{
		Ref: storage.TokenRef{Hash: secretHash}, Grant: "grt_1", User: "usr_1", Client: "app_1", Session: "ses_1", Connection: "con_1",
		Challenge: marker, Nonce: marker, Claims: marker, RedirectURI: marker, Scopes: []string{"a", "b"}, Resource: []string{"https://api"},
	}
	grant  = storage.Grant{ID: "grt_1", User: "usr_1", Client: "app_1", Session: "ses_1", Connection: "con_1", Nonce: marker, Claims: marker}
	access = storage.AccessToken{
		Ref: storage.TokenRef{Hash: secretHash}, ID: "tok_1", Grant: "grt_1", Client: "app_1", User: "usr_1", Session: "ses_1",
		Connection: "con_1", Claims: marker, Scopes: []string{"a", "b"},
	}
	client     = storage.Client{ID: "app_1", Name: "App", AuthMethod: storage.AuthBasic, Secrets: secrets, Version: 3, RedirectURIs: []string{"https://app/cb"}}
	rs         = storage.ResourceServer{ID: "rs_1", Name: "API", Secrets: secrets, TenantID: "ten_1"}
	connection = storage.Connection{ID: "con_1", Kind: storage.OIDC, Issuer: "https://idp", ClientID: "wg", SealedSecret: []byte(marker), SealedNextSecret: []byte(marker), SecretExpiresAt: at}
	domain     = storage.Domain{Name: "acme.test", Connection: "con_1", Token: marker, FailingSince: at}
	tenant     = storage.Tenant{ID: "ten_1", Slug: "acme", SuspendReason: "unpaid"}
	apiKey     = storage.APIKey{ID: "key_1", Profile: "live", Name: "ci", Hash: secretHash, Hint: "up_a1b2****", WebhookURL: "https://hook/" + marker, SealedWebhookSecret: []byte(marker)}
	delivery   = storage.KeyDelivery{Key: "key_2", Old: "key_1", Sealed: []byte(marker)}
	factor     = storage.Factor{ID: "fac_1", User: "usr_1", Kind: storage.FactorTOTP, Name: "phone", CredentialID: []byte(marker), Public: []byte(marker), SealedSecret: []byte(marker)}
	identity   = storage.Identity{Connection: "con_1", Issuer: "https://idp", Subject: marker}
	logout     = storage.Logout{Tenant: "ten_1", Session: "ses_1", Client: "app_1", User: "usr_1", Attempts: 3}
	trial      = storage.ConnectionTest{ID: "tst_1", Connection: "con_1", DoneAt: at, Report: []byte(marker)}
	keyBy      = KeyBy{User: "usr_1", Client: "app_1"}
)

// all makes one event with each constructor, by its name.
func all(ctx context.Context) map[string]storage.Event {
	return map[string]storage.Event{
		"SignedIn":                    SignedIn(ctx, at, user, session, true),
		"SignInRefused":               SignInRefused(ctx, at, "con_1", "nonce"),
		"SignedOut":                   SignedOut(ctx, at, "usr_1", "ses_1", "user"),
		"ConsentGiven":                ConsentGiven(ctx, at, code),
		"ConsentDenied":               ConsentDenied(ctx, at, request, session),
		"ConsentWithdrawn":            ConsentWithdrawn(ctx, at, "usr_1", "app_1"),
		"AuthorizeRefused":            AuthorizeRefused(ctx, at, "app_1", "invalid_scope"),
		"CodeIssued":                  CodeIssued(ctx, at, code),
		"CodeRedeemed":                CodeRedeemed(ctx, at, grant, access, true),
		"CodeRefused":                 CodeRefused(ctx, at, code, "verifier"),
		"CodeReplayed":                CodeReplayed(ctx, at, code),
		"TokenIssued":                 TokenIssued(ctx, at, access),
		"TokenRefreshed":              TokenRefreshed(ctx, at, grant, access),
		"RefreshReused":               RefreshReused(ctx, at, grant),
		"RefreshRefused":              RefreshRefused(ctx, at, grant, "idle"),
		"TokenRevoked":                TokenRevoked(ctx, at, access),
		"GrantRevoked":                GrantRevoked(ctx, at, "grt_1", ActorClient, "refresh_revoked"),
		"ClientAuthFailed":            ClientAuthFailed(ctx, at, "app_1"),
		"TokenRefused":                TokenRefused(ctx, at, "app_1", "invalid_scope"),
		"IntrospectionRefused":        IntrospectionRefused(ctx, at, "rs_1", "invalid_client"),
		"IntrospectionScanning":       IntrospectionScanning(ctx, at, "rs_1", 100, 1500*time.Millisecond),
		"CrossTenantDenied":           CrossTenantDenied(ctx, at, "ten_2", "rs_1"),
		"TenantCreated":               TenantCreated(ctx, at, tenant),
		"TenantUpdated":               TenantUpdated(ctx, at, tenant),
		"TenantSuspended":             TenantSuspended(ctx, at, tenant),
		"TenantResumed":               TenantResumed(ctx, at, tenant),
		"ClientCreated":               ClientCreated(ctx, at, client),
		"ClientUpdated":               ClientUpdated(ctx, at, client),
		"ClientDisabled":              ClientDisabled(ctx, at, client),
		"ClientEnabled":               ClientEnabled(ctx, at, client),
		"ClientSecretRotated":         ClientSecretRotated(ctx, at, client),
		"ResourceServerCreated":       ResourceServerCreated(ctx, at, rs),
		"ResourceServerUpdated":       ResourceServerUpdated(ctx, at, rs),
		"ResourceServerDisabled":      ResourceServerDisabled(ctx, at, rs),
		"ResourceServerEnabled":       ResourceServerEnabled(ctx, at, rs),
		"ResourceServerSecretRotated": ResourceServerSecretRotated(ctx, at, rs),
		"ConnectionCreated":           ConnectionCreated(ctx, at, connection),
		"ConnectionUpdated":           ConnectionUpdated(ctx, at, connection),
		"ConnectionDisabled":          ConnectionDisabled(ctx, at, connection),
		"ConnectionEnabled":           ConnectionEnabled(ctx, at, connection),
		"DomainVerified":              DomainVerified(ctx, at, domain),
		"DomainRemoved":               DomainRemoved(ctx, at, domain),
		"UserUpdated":                 UserUpdated(ctx, at, user),
		"UserDisabled":                UserDisabled(ctx, at, user),
		"UserEnabled":                 UserEnabled(ctx, at, user),
		"SigningKeysChanged":          SigningKeysChanged(ctx, at, []string{"k1", "k2"}, "activated"),
		"KeyCreated":                  KeyCreated(ctx, at, apiKey, keyBy),
		"KeyUpdated":                  KeyUpdated(ctx, at, apiKey, keyBy, []string{"name"}),
		"KeyRotated":                  KeyRotated(ctx, at, apiKey, apiKey, at, keyBy),
		"KeyRevealed":                 KeyRevealed(ctx, at, apiKey, keyBy),
		"KeyRevoked":                  KeyRevoked(ctx, at, apiKey, keyBy, "revoked"),
		"KeyLeaked":                   KeyLeaked(ctx, at, apiKey),
		"KeyQuarantined":              KeyQuarantined(ctx, at, apiKey),
		"KeyReleased":                 KeyReleased(ctx, at, apiKey, keyBy),
		"KeyDelivered":                KeyDelivered(ctx, at, delivery, "webhook", KeyBy{}),
		"KeyPickupMissed":             KeyPickupMissed(ctx, at, delivery),
		"KeyExchanged":                KeyExchanged(ctx, at, grant, access, true),
		"KeyRefused":                  KeyRefused(ctx, at, "key_1", "reveal", "forbidden", keyBy),
		"FactorAdded":                 FactorAdded(ctx, at, "usr_1", factor),
		"FactorRenamed":               FactorRenamed(ctx, at, "usr_1", factor, "old phone"),
		"FactorRemoved":               FactorRemoved(ctx, at, "usr_1", factor, ActorUser),
		"FactorProved":                FactorProved(ctx, at, session, "totp"),
		"FactorRefused":               FactorRefused(ctx, at, "usr_1", "replayed"),
		"FactorRegressed":             FactorRegressed(ctx, at, "usr_1", factor),
		"RecoveryCodesReplaced":       RecoveryCodesReplaced(ctx, at, "usr_1"),
		"RecoveryCodeUsed":            RecoveryCodeUsed(ctx, at, "usr_1"),
		"LinkSent":                    LinkSent(ctx, at, "usr_1", storage.LinkInvite),
		"LinkUsed":                    LinkUsed(ctx, at, "usr_1", storage.LinkInvite),
		"AddressProved":               AddressProved(ctx, at, user),
		"UserInvited":                 UserInvited(ctx, at, user),
		"UserLinked":                  UserLinked(ctx, at, user, identity),
		"RoleKept":                    RoleKept(ctx, at, user),
		"RolesMissing":                RolesMissing(ctx, at, "con_1", "no_rule"),
		"SessionsEnded":               SessionsEnded(ctx, at, "usr_1", "operator", "con_1"),
		"UpstreamSignedOut":           UpstreamSignedOut(ctx, at, "con_1", "usr_1"),
		"UpstreamRefused":             UpstreamRefused(ctx, at, "con_1", "replayed"),
		"TokensRevokedUpstream":       TokensRevokedUpstream(ctx, at, "con_1", "usr_1"),
		"LogoutDelivered":             LogoutDelivered(ctx, at, logout, "given_up"),
		"ConnectionTested":            ConnectionTested(ctx, at, trial),
		"ConnectionSecretRotated":     ConnectionSecretRotated(ctx, at, connection),
		"SecretExpiring":              SecretExpiring(ctx, at, connection),
		"DomainClaimed":               DomainClaimed(ctx, at, domain),
		"DomainChecked":               DomainChecked(ctx, at, domain, "found"),
		"DomainFailing":               DomainFailing(ctx, at, domain),
		"DomainLost":                  DomainLost(ctx, at, domain),
		"DomainUpdated":               DomainUpdated(ctx, at, domain),
		"BreakGlassOpened":            BreakGlassOpened(ctx, at, tenant, "the provider is down"),
		"BreakGlassClosed":            BreakGlassClosed(ctx, at, tenant),
		"BreakGlassUsed":              BreakGlassUsed(ctx, at, "usr_1", "ses_1"),
	}
}

// tenantsOwn are the kinds that are stored with a tenant, and not through its handle.
var tenantsOwn = regexp.MustCompile(`^(tenant\..*|break_glass\.(opened|closed))$`)

func TestEveryConstructorIsCompleteAndUnique(t *testing.T) {
	ctx := origin.With(context.Background(), origin.Origin{RequestID: "req", IP: "203.0.113.9", UserAgent: "curl"})
	vocabulary, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`)
	kinds, ids := map[string]string{}, map[storage.EventID]bool{}
	for name, ev := range all(ctx) {
		if other, taken := kinds[ev.Kind]; taken || !form.MatchString(ev.Kind) {
			t.Errorf("%s: kind %q, also of %q", name, ev.Kind, other)
		}
		kinds[ev.Kind] = name
		if !regexp.MustCompile(`[ \t]` + regexp.QuoteMeta(ev.Kind) + `\s`).Match(vocabulary) {
			t.Errorf("%s: doc.go does not name %s", name, ev.Kind)
		}
		if ev.Outcome != Success && (ev.Outcome != Refused || ev.Reason == "") {
			t.Errorf("%s: outcome %q, reason %q", name, ev.Outcome, ev.Reason)
		}
		if ev.ActorKind == "" || ev.IP != "203.0.113.9" || ev.UserAgent != "curl" || ev.RequestID != "req" {
			t.Errorf("%s: actor or origin missing: %+v", name, ev)
		}
		if !ev.Time.Equal(at.Truncate(time.Millisecond)) || ev.Time.Location() != time.UTC || ev.ID == "" || ids[ev.ID] {
			t.Errorf("%s: id %q, time %v", name, ev.ID, ev.Time)
		}
		ids[ev.ID] = true
		if about := tenantsOwn.MatchString(ev.Kind); (about && ev.Tenant != tenant.ID) || (!about && ev.Tenant != "") {
			t.Errorf("%s: tenant %q: what is about a tenant is in its trail, elsewhere the handle says", name, ev.Tenant)
		}
	}
}

func TestNoEventCarriesASecret(t *testing.T) {
	for name, ev := range all(context.Background()) {
		b, err := json.Marshal(ev)
		if err != nil {
			t.Fatal(err)
		}
		// JSON shows bytes as base64, which the marker would be, too.
		if s := string(b); strings.Contains(s, marker) || strings.Contains(s, "U0VDUkVU") {
			t.Errorf("%s: %s", name, s)
		}
	}
}

// TestEveryConstructorIsTested reads the package for functions that return an
// Event.
func TestEveryConstructorIsTested(t *testing.T) {
	tested := all(context.Background())
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !f.Name.IsExported() || f.Type.Results == nil {
				continue
			}
			if result, ok := f.Type.Results.List[0].Type.(*ast.SelectorExpr); !ok || result.Sel.Name != "Event" {
				continue
			}
			found++
			if _, ok := tested[f.Name.Name]; !ok {
				t.Errorf("%s is not in the table", f.Name.Name)
			}
		}
	}
	if found != len(tested) {
		t.Errorf("%d constructors, %d in the table", found, len(tested))
	}
}

func TestActor(t *testing.T) {
	ctx := context.Background()
	if ev := TenantSuspended(ctx, at, tenant); ev.ActorKind != ActorSystem || ev.ActorID != "" {
		t.Errorf("default: %s %s", ev.ActorKind, ev.ActorID)
	}
	if ev := CodeIssued(ctx, at, code); ev.ActorKind != ActorUser || ev.ActorID != "usr_1" {
		t.Errorf("known: %s %s", ev.ActorKind, ev.ActorID)
	}
	ctx = WithActor(ctx, ActorOperator, "root")
	if ev := TokenRevoked(ctx, at, access); ev.ActorKind != ActorOperator || ev.ActorID != "root" || ev.Client != "app_1" {
		t.Errorf("by an operator: %s %s", ev.ActorKind, ev.ActorID)
	}
	if ev := SignedOut(context.Background(), at, "usr_1", "ses_1", ActorSystem); ev.User != "usr_1" || ev.ActorKind != ActorSystem {
		t.Errorf("session ended by the server: %+v", ev)
	}
}

func TestLogForging(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"line feed":     {"a\r\nINFO forged", `a\u000d\u000aINFO forged`},
		"ANSI escape":   {"\x1b[31m", `\u001b[31m`},
		"bidi override": {"a\u202eb", `a\u202eb`},
		"zero width":    {"a\u200bb", `a\u200bb`},
		"line sep":      {"a\u2028b", `a\u2028b`},
		"C1":            {"\u009b31m", `\u009b31m`},
		"invalid UTF-8": {"a\xffb", `a\xffb`},
		"replacement":   {"\uFFFD", `\ufffd`},
		"syslog end":    {`"]`, `"]`},
		"harmless":      {"Zoë 🎉 日本", "Zoë 🎉 日本"},
	} {
		ctx := origin.With(context.Background(), origin.Origin{UserAgent: c.in})
		ev := ClientAuthFailed(ctx, at, storage.ClientID(c.in))
		got := []string{ev.UserAgent, string(ev.Client), ev.ActorID}
		if d := cmp.Diff([]string{c.want, c.want, c.want}, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestHugeInputIsCut(t *testing.T) {
	huge := strings.Repeat("é", 50<<10)
	ctx := origin.With(context.Background(), origin.Origin{UserAgent: "x" + huge})
	ev := ConnectionCreated(ctx, at, storage.Connection{ID: "con_1", Name: huge, Issuer: "x" + huge})
	for _, s := range []string{ev.UserAgent, ev.Details["name"], ev.Details["issuer"]} {
		if len(s) > maxText+len("...") || !utf8.ValidString(s) || !strings.HasSuffix(s, "é...") {
			t.Errorf("%d bytes, ends with %q", len(s), s[len(s)-8:])
		}
	}
}

func TestWhatACodeRedemptionRecords(t *testing.T) {
	got := CodeRedeemed(context.Background(), at, grant, access, true)
	want := storage.Event{
		Time: at.UTC().Truncate(time.Millisecond), Kind: "code.redeemed", Outcome: Success, ActorKind: ActorClient, ActorID: "app_1",
		User: "usr_1", Client: "app_1", Session: "ses_1", Grant: "grt_1", Connection: "con_1", Object: "tok_1",
		Details: map[string]string{"scope": "a b", "refresh_token": "true"},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(storage.Event{}, "ID")); d != "" {
		t.Error(d)
	}
}
