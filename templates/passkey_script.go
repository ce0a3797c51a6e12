package templates

import (
	"crypto/sha256"
	_ "embed" // the script
	"encoding/base64"
	"html/template"
)

//go:embed static/passkey.js
var passkeyScript string

// PasskeyScriptHash names the only script on the pages that use a passkey:
// "sha256-...". In a Content-Security-Policy's script-src it stands between single
// quotes.
var PasskeyScriptHash = func() string {
	sum := sha256.Sum256([]byte(passkeyScript))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}()

// passkeyDocument is a document with a [PasskeyForm] in it.
func passkeyDocument(name string) *template.Template {
	return template.Must(document(name).ParseFS(sources, "html/passkey_form.html"))
}

// Script is what the pages have between <script> and </script>.
func (PasskeyForm) Script() template.JS { return template.JS(passkeyScript) }

// PasskeyForm is a form that a passkey answers.
type PasskeyForm struct {
	Action string
	State  State
	// Options is what navigator.credentials takes, as JSON; "" when there is no
	// passkey to use here.
	Options string
	Create  bool   // make one; otherwise, use one
	Label   string // of the button
}
