package templates

// errorWords are what one code says to a person.
type errorWords struct {
	title    string
	happened string
	todo     string
	oauth    string // the OAuth error code that a page code stands for; empty when the code is one itself
}

// Advice that several codes share.
const (
	startAgain = "Go back to the app and sign in again."
	askAdmin   = "Ask an administrator of your organization for help."
	tellMaker  = "There is nothing wrong on your side. Tell the people who make the app, and give them the code and the reference below."
	waitABit   = "Wait a moment and try again. If it stays like this, give the reference below to your administrator."
)

// ErrorText says what a code means: a short title, what happened, and what to do. It knows the error codes of OAuth 2.0 and
// OpenID Connect that can end in a browser, and the page codes of Watchgate; any other code gets a general text.
func ErrorText(code string) (title, happened, todo string) {
	words, ok := errorTexts[code]
	if !ok {
		words = errorTexts["server_error"]
	}
	return words.title, words.happened, words.todo
}

// OAuthCode is the OAuth 2.0 error code for a page code (unknown_client gives invalid_client); every other code is
// returned as it is.
func OAuthCode(code string) string {
	if words, ok := errorTexts[code]; ok && words.oauth != "" {
		return words.oauth
	}
	return code
}
