package templates

// State ties a form to one step of one login transaction. It is written as the hidden fields "transaction" and
// "verifier", so that the pending request never appears in a page's URL.
type State struct {
	Transaction string // handle of the stored login transaction
	Verifier    string // proof bound to (transaction, step, browser)
}

// Field is one hidden form field. Order is kept, and a name may occur more than once.
type Field struct {
	Name  string
	Value string
}
