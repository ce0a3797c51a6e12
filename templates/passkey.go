package templates

import "io"

// PasskeyLinkPage is shown to whoever types an address that no identity provider is
// known for: the same for every address.
type PasskeyLinkPage struct {
	Action   string
	State    State
	AppName  string
	Email    string // as typed
	Problem  string // one of the sentences about factors
	OtherURL string // where another address can be typed

	PasskeyOptions string
}

// Passkey is the page's form for a passkey.
func (p PasskeyLinkPage) Passkey() PasskeyForm {
	return PasskeyForm{Action: p.Action, State: p.State, Options: p.PasskeyOptions, Label: "Use a passkey now"}
}

var passkeyLink = passkeyDocument("passkey_link")

// PasskeyLink writes the page. It posts [FieldResponse] with the fields of State.
func PasskeyLink(w io.Writer, p PasskeyLinkPage) error { return render(w, passkeyLink, p) }

// PasskeyEmergencyPage is the sign-in past an enforced identity provider.
type PasskeyEmergencyPage struct {
	Action  string
	State   State
	Problem string

	PasskeyOptions string
}

// Passkey is the page's form for a passkey.
func (p PasskeyEmergencyPage) Passkey() PasskeyForm {
	return PasskeyForm{Action: p.Action, State: p.State, Options: p.PasskeyOptions, Label: "Use your passkey"}
}

var passkeyEmergency = passkeyDocument("passkey_emergency")

// PasskeyEmergency writes the page. It posts [FieldResponse] with the fields of State.
func PasskeyEmergency(w io.Writer, p PasskeyEmergencyPage) error {
	return render(w, passkeyEmergency, p)
}

// PasskeyOpenPage is what an e-mailed link leads to. Programs that read mail open
// links: only its button does something.
type PasskeyOpenPage struct {
	Action     string // the link itself
	TenantName string
	Email      string
	Invited    bool // it is an invitation
	Address    bool // it only says whose the address is
}

var passkeyOpen = document("passkey_open")

// PasskeyOpen writes the page. It posts nothing but itself.
func PasskeyOpen(w io.Writer, p PasskeyOpenPage) error { return render(w, passkeyOpen, p) }

// PasskeyAddressPage says that an address is confirmed.
type PasskeyAddressPage struct {
	TenantName string
	Email      string
}

var passkeyAddress = document("passkey_address")

// PasskeyAddress writes the page.
func PasskeyAddress(w io.Writer, p PasskeyAddressPage) error { return render(w, passkeyAddress, p) }
