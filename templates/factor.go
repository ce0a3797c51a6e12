package templates

import "io"

// Names of the fields of the pages about factors. [FieldWay] says which of a page's
// forms it was; the others are its own.
const (
	FieldWay      = "way"
	FieldResponse = "response" // a passkey's answer, JSON
	FieldCode     = "code"     // of an authenticator app, or a recovery code
	FieldName     = "name"     // what the person calls a new factor
)

// Values of [FieldWay].
const (
	WayPasskey  = "passkey"
	WayCode     = "code"
	WayRecovery = "recovery"
	WayProvider = "provider" // ask the identity provider again
	WayCancel   = "cancel"
	WayApp      = "app"   // set up an authenticator app
	WayOther    = "other" // back to the choice
	WayCodes    = "codes" // make new recovery codes
)

// Sentences for Problem of the pages about factors.
const (
	FactorWrong   = "That did not work. Check the code, or use another way."
	FactorTooMany = "There were too many tries. Wait half a minute, and try once more."
	FactorLocked  = "Too many codes were wrong. Use a passkey, or ask an administrator to reset your second factors."
	FactorPasskey = "That passkey did not work here."
	FactorFull    = "There is no room for another factor: remove one first."
)

// FactorPage asks somebody to prove one of their factors.
type FactorPage struct {
	Action     string
	State      State
	AppName    string // the app that waits; empty when a person came by themselves
	TenantName string
	UserEmail  string
	Problem    string // one of the sentences above; empty on the first showing

	PasskeyOptions string // "": they have none, or none is good here
	Code           bool   // they have an authenticator app
	Recovery       bool   // they have recovery codes
	Provider       string // the name of an identity provider that may be asked again; "" for none
	Cancel         string // label of the button that gives up; "" for none
}

// One reports whether there is one way to prove it, beside recovery codes.
func (p FactorPage) One() bool {
	ways := 0
	for _, there := range []bool{p.PasskeyOptions != "", p.Code, p.Provider != ""} {
		if there {
			ways++
		}
	}
	return ways == 1
}

// Passkey is the page's form for a passkey.
func (p FactorPage) Passkey() PasskeyForm {
	return PasskeyForm{Action: p.Action, State: p.State, Options: p.PasskeyOptions, Label: "Use a passkey"}
}

var factor = passkeyDocument("factor")

// Factor writes the page. It posts [FieldWay] with the fields of State.
func Factor(w io.Writer, p FactorPage) error { return render(w, factor, p) }

// FactorEnrolPage lets somebody choose which factor to add.
type FactorEnrolPage struct {
	Action     string
	State      State
	TenantName string
	UserEmail  string
	Problem    string

	PasskeyOptions string // "": no passkey can be made here
	App            bool   // an authenticator app is good, too
	Cancel         string

	// Who asks for it: the person themselves, nobody because it is the first one and they
	// will sign in with it, or the app of that name. When all are empty, the organization.
	Asked   bool
	First   bool
	AppName string
}

// Title is what is added.
func (p FactorEnrolPage) Title() string {
	switch {
	case p.Asked:
		return "Add a factor"
	case p.First:
		return "Add a passkey"
	}
	return "Add a second factor"
}

// Passkey is the page's form for a passkey.
func (p FactorEnrolPage) Passkey() PasskeyForm {
	return PasskeyForm{Action: p.Action, State: p.State, Options: p.PasskeyOptions, Create: true, Label: "Add a passkey"}
}

var factorEnrol = passkeyDocument("factor_enrol")

// FactorEnrol writes the page. It posts [FieldWay] with the fields of State.
func FactorEnrol(w io.Writer, p FactorEnrolPage) error { return render(w, factorEnrol, p) }

// FactorAppPage shows the seed of an authenticator app.
type FactorAppPage struct {
	Action     string
	State      State
	TenantName string
	UserEmail  string
	Problem    string

	Secret string   // in groups
	QR     [][]bool // rows; true is dark
	Other  bool     // there is another way to choose
}

// QRSize is the width of the QR code in modules, with its quiet zone (ISO/IEC 18004
// section 6.3.8: four on each side).
func (p FactorAppPage) QRSize() int { return len(p.QR) + 8 }

// QRBar is a run of dark modules.
type QRBar struct{ X, Y, Width int }

// QRBars are the QR code's dark modules.
func (p FactorAppPage) QRBars() []QRBar {
	var bars []QRBar
	for y, row := range p.QR {
		for x := 0; x < len(row); x++ {
			start := x
			for x < len(row) && row[x] {
				x++
			}
			if x > start {
				bars = append(bars, QRBar{start + 4, y + 4, x - start})
			}
		}
	}
	return bars
}

var factorApp = document("factor_app")

// FactorApp writes the page. It posts [FieldCode] with the fields of State.
func FactorApp(w io.Writer, p FactorAppPage) error { return render(w, factorApp, p) }

// FactorCodesPage shows new recovery codes, once.
type FactorCodesPage struct {
	TenantName string
	UserEmail  string
	Codes      []string
	Replaced   bool   // there were some before
	NextURL    string // where the person goes on: a path of this server
}

var factorCodes = document("factor_codes")

// FactorCodes writes the page. It has a link and no form.
func FactorCodes(w io.Writer, p FactorCodesPage) error { return render(w, factorCodes, p) }

// FactorRenewPage asks whether new recovery codes are to be made.
type FactorRenewPage struct {
	Action string
	State  State
	Left   int    // how many there are
	Cancel string // label of the button that gives up
}

var factorRenew = document("factor_renew")

// FactorRenew writes the page. It posts [FieldWay] with the fields of State.
func FactorRenew(w io.Writer, p FactorRenewPage) error { return render(w, factorRenew, p) }
