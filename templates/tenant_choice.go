package templates

import "io"

// Names of the two kinds of button on [TenantChoice]; exactly one of them is in a submitted form.
const (
	FieldTenant         = "tenant"          // value: the slug that was chosen
	FieldAnotherAccount = "another_account" // value: "1"
)

// TenantChoicePage lists the tenants in which a person can go on: sessions that this browser already has, and tenants
// whose domain matches the address that was entered.
type TenantChoicePage struct {
	Action  string
	State   State
	AppName string
	Choices []TenantChoiceItem
}

// TenantChoiceItem is one tenant to go on with.
type TenantChoiceItem struct {
	Slug     string // the button's value
	Name     string // the tenant's display name
	User     string // who the person is there, usually an e-mail address; empty when not signed in
	SignedIn bool   // this browser has a live session there
}

var tenantChoice = document("tenant_choice")

// TenantChoice writes the page. It posts [FieldTenant] or [FieldAnotherAccount], with the fields of State.
func TenantChoice(w io.Writer, p TenantChoicePage) error { return render(w, tenantChoice, p) }
