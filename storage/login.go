package storage

import (
	"context"
	"time"
)

// AuthorizeRequest is an authorization request whose every parameter has been
// checked: the redirect URI is proven to be the client's. It waits in a
// [Login] while the person signs in.
type AuthorizeRequest struct {
	Client ClientID `json:"client"`
	// RedirectURI is as presented (AZ-08 keeps its port), or the registered one
	// when none was sent; RedirectSent tells which, for the token endpoint.
	RedirectURI  string   `json:"redirect_uri"`
	RedirectSent bool     `json:"redirect_sent"`
	ResponseMode string   `json:"response_mode"` // query or form_post
	Scopes       []string `json:"scopes"`
	State        string   `json:"state,omitempty"`
	Nonce        string   `json:"nonce,omitempty"`
	Challenge    string   `json:"challenge,omitempty"` // S256; empty only for PKCEOptional clients

	Prompt    []string `json:"prompt,omitempty"`
	MaxAge    *int64   `json:"max_age,omitempty"` // seconds
	LoginHint string   `json:"login_hint,omitempty"`
	// HintSubject is the sub of a verified id_token_hint.
	HintSubject UserID `json:"hint_subject,omitempty"`
	// StrangeHint: an id_token_hint was sent that is none of ours. The person is
	// asked who they are (AZ-24).
	StrangeHint bool     `json:"strange_hint,omitempty"`
	ACRValues   []string `json:"acr_values,omitempty"`
	// EssentialACR: without one of these the app wants no answer (OIDC Core
	// section 5.5.1.1).
	EssentialACR []string `json:"essential_acr,omitempty"`
	// Claims is the claims parameter (OIDC Core section 5.5), as sent.
	Claims   string   `json:"claims,omitempty"`
	Resource []string `json:"resource,omitempty"`
	UILocale string   `json:"ui_locale,omitempty"`

	At time.Time `json:"at"` // when it arrived; prompt=login and max_age count from here
}

// LoginStep names where a login transaction stands.
type LoginStep string

// The steps, in the order in which they are taken. A transaction goes only
// forwards, but for going back to the start to choose another account.
const (
	StepIdentify LoginStep = "identify" // who are you: e-mail or a known session
	StepUpstream LoginStep = "upstream" // at the identity provider
	StepLink     LoginStep = "link"     // a link was e-mailed; or a passkey is asked for
	StepFactor   LoginStep = "factor"   // signed in; prove a second factor, or enrol one
	StepConsent  LoginStep = "consent"  // signed in; approve the app
	StepDone     LoginStep = "done"     // code issued or refused; single use
)

// Login is a login transaction: the state of one person's way through one
// authorization request, in one browser.
type Login struct {
	ID   LoginID
	Step LoginStep
	// Browser is the SHA-256 of the browser's binding cookie (AZ-34).
	Browser []byte
	// Request is what waits. It is nil for a sign-in to our own pages.
	Request *AuthorizeRequest
	// ReturnTo is an own path to go to when there is no Request.
	ReturnTo string

	// Set as they become known.
	Tenant     TenantID
	Connection ConnectionID
	Session    SessionID
	Email      string // what was typed; display and login_hint only

	// Purpose is what a sign-in to our own pages is for, beyond getting there.
	Purpose LoginPurpose
	// Need is what the session has to have proved before the transaction goes on.
	Need Need
	// Ceremony is what a factor's challenge is about, JSON of package idp/mfa; it
	// belongs to the present version.
	Ceremony []byte
	// Test is the trial of a connection that this is; "" for a sign-in.
	Test TestID

	CreatedAt time.Time
	ExpiresAt time.Time // at most 10 minutes after CreatedAt
	// Version grows by one with every step; derived secrets (state, nonce,
	// verifier) depend on it, so that those of an earlier step are dead.
	Version int64
}

// LoginPurpose is what somebody signs in to do.
type LoginPurpose string

// The purposes.
const (
	PurposeNone          LoginPurpose = ""
	PurposeEnrolPasskey  LoginPurpose = "enrol_passkey"
	PurposeEnrolTOTP     LoginPurpose = "enrol_totp"
	PurposeRecoveryCodes LoginPurpose = "recovery_codes" // make new ones
	PurposeTest          LoginPurpose = "test"           // of a connection
	PurposeBreakGlass    LoginPurpose = "break_glass"
)

// Level is how strongly a session is authenticated.
type Level string

// The levels, from least to most. Their names are also acr values that apps may ask
// for: phr is that of OpenID Connect EAP ACR Values section 2.
const (
	LevelNone Level = ""
	LevelMFA  Level = "mfa" // two factors
	LevelPHR  Level = "phr" // two factors, of which one is resistant to phishing
)

// AtLeast reports whether l is want or stronger.
func (l Level) AtLeast(want Level) bool {
	rank := map[Level]int{LevelNone: 0, LevelMFA: 1, LevelPHR: 2}
	return rank[l] >= rank[want]
}

// Need is what something asks of a session.
type Need struct {
	Level Level `json:"level,omitempty"`
	// Since is the earliest moment at which the second factor may have been proved;
	// zero: any.
	Since time.Time `json:"since,omitzero"`
	// Fresh is the earliest moment of the whole authentication; zero: any.
	Fresh time.Time `json:"fresh,omitzero"`
	// First says that Fresh is for enrolling somebody's first factor and for nothing
	// else: a provider that never says when it authenticated anybody was asked to do it
	// anew, and its answer in this transaction has to do.
	First bool `json:"first,omitempty"`
}

// ClockLeeway is how far a provider's clock, which says when it authenticated
// somebody, may be behind ours (requirement FO-05).
const ClockLeeway = 60 * time.Second

// Met reports whether a session has what is needed. Times that a provider said may be
// ClockLeeway too early.
func (n Need) Met(s Session) bool {
	return s.Level.AtLeast(n.Level) && (n.Since.IsZero() || !s.MFAAt.Before(n.Since.Add(-ClockLeeway))) &&
		(n.Fresh.IsZero() || (!s.AuthTime.IsZero() && !s.AuthTime.Before(n.Fresh.Add(-ClockLeeway))))
}

// Logins keeps login transactions. They belong to no tenant until the person
// has said which.
type Logins interface {
	// BeginLogin stores a new transaction. ErrExists.
	BeginLogin(ctx context.Context, l Login) error
	// Login returns one that has not expired at now. ErrNotFound.
	Login(ctx context.Context, id LoginID, now time.Time) (Login, error)
	// AdvanceLogin replaces the transaction if the stored version is l.Version
	// and the stored step is not StepDone; it stores l.Version+1. It is the
	// single-use gate of every step: of N concurrent calls with one version,
	// one returns nil and the others ErrConsumed.
	AdvanceLogin(ctx context.Context, l Login, now time.Time) error
}
