package orgapi

import (
	"context"
	"errors"
	"time"

	"github.com/watchgate/watchgate/internal/domains"
	"github.com/watchgate/watchgate/internal/manage"
	"github.com/watchgate/watchgate/storage"
)

const domainsPath = "/v1/domains"

// Domain is an e-mail domain that a tenant says is theirs.
type Domain struct {
	Name        string        `json:"name" example:"acme.example" doc:"The domain, in lower case and ASCII."`
	Connection  string        `json:"connection" example:"con_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"Where its people sign in."`
	State       string        `json:"state" enum:"claimed,verified,failing" doc:"claimed: the record was not seen yet, and nobody is sent anywhere. failing: it is not there any more, and the domain is lost seven days after failing_since."`
	Record      *DomainRecord `json:"record,omitempty" doc:"The TXT record that proves it. It has to stay. Absent where the operator vouched for the domain."`
	SSORequired bool          `json:"sso_required" doc:"Whether people with an address of the domain sign in through its connection alone."`
	ByOperator  bool          `json:"by_operator" doc:"Whether the operator of the service vouched for it: no record is looked for."`

	CreatedAt    *time.Time `json:"created_at" nullable:"true" doc:"When it was claimed."`
	VerifiedAt   *time.Time `json:"verified_at" nullable:"true" doc:"When the record was first seen; null: not yet."`
	CheckedAt    *time.Time `json:"checked_at" nullable:"true" doc:"When it was last looked for."`
	FailingSince *time.Time `json:"failing_since" nullable:"true" doc:"Since when it is not there; null: it is, or never was."`
}

// DomainRecord is a DNS record.
type DomainRecord struct {
	Type  string `json:"type" enum:"TXT" doc:"The type."`
	Name  string `json:"name" example:"_watchgate-challenge.acme.example" doc:"The name."`
	Value string `json:"value" example:"watchgate-verification=AbCdEfGhIjKlMnOpQrStUvWxYz0" doc:"What it says."`
}

// Resource is a domain's address and type in JSON-LD.
func (d Domain) Resource() (address, kind string) { return domainsPath + "/" + d.Name, "Domain" }

func domain(d storage.Domain) Domain {
	out := Domain{
		Name: d.Name, Connection: string(d.Connection), State: "claimed", SSORequired: d.SSORequired, ByOperator: d.ByOperator,
		CreatedAt: moment(d.CreatedAt), VerifiedAt: moment(d.VerifiedAt), CheckedAt: moment(d.CheckedAt), FailingSince: moment(d.FailingSince),
	}
	if !d.ByOperator {
		r := domains.RecordOf(d)
		out.Record = &DomainRecord{"TXT", r.Name, r.Value}
	}
	switch {
	case !d.FailingSince.IsZero():
		out.State = "failing"
	case !d.VerifiedAt.IsZero():
		out.State = "verified"
	}
	return out
}

type domainOutput struct{ Body Domain }

// DomainPath is the part of an input that names a domain.
type DomainPath struct {
	Name string `path:"name" minLength:"1" maxLength:"253" example:"acme.example" doc:"The domain."`
}

type listDomains struct{ manage.Page }

func (a *API) listDomains(ctx context.Context, in *listDomains) (*manage.List[Domain], error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	return manage.Paginate(ctx, in.Page, short(a.cfg.Store.Tenant(c.Tenant).ListDomains, func(d storage.Domain) string { return d.Name }), domain)
}

// NewDomain is the body of a request for a domain.
type NewDomain struct {
	Name       string `json:"name" minLength:"1" maxLength:"253" example:"acme.example" doc:"The domain."`
	Connection string `json:"connection" minLength:"1" maxLength:"64" example:"con_01kavq3n8e5t7w2m4d6g9hj0bc" doc:"Where its people are to sign in."`
}

type claimDomain struct{ Body NewDomain }

type createdDomain struct {
	Location string `header:"Location" doc:"Where the domain is."`
	Body     Domain
}

func (a *API) claimDomain(ctx context.Context, in *claimDomain) (*createdDomain, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	d, err := a.cfg.Domains.Claim(c, c.Tenant, in.Body.Name, storage.ConnectionID(in.Body.Connection))
	if err != nil {
		return nil, refusal(err)
	}
	out := domain(d)
	address, _ := out.Resource()
	return &createdDomain{address, out}, nil
}

func (a *API) getDomain(ctx context.Context, in *DomainPath) (*domainOutput, error) {
	c, err := reader(ctx)
	if err != nil {
		return nil, err
	}
	return answered(a.cfg.Domains.Get(c, c.Tenant, in.Name))
}

func (a *API) verifyDomain(ctx context.Context, in *DomainPath) (*domainOutput, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	d, err := a.cfg.Domains.Get(c, c.Tenant, in.Name)
	if err != nil {
		return nil, refusal(err)
	}
	if err := a.mayGovern(c, d.Name); err != nil {
		return nil, err
	}
	return answered(a.cfg.Domains.Verify(c, c.Tenant, d.Name))
}

func answered(d storage.Domain, err error) (*domainOutput, error) {
	if err != nil {
		return nil, refusal(err)
	}
	return &domainOutput{domain(d)}, nil
}

// PatchDomain is a JSON Merge Patch (RFC 7396) of a domain.
type PatchDomain struct {
	Connection  manage.Optional[string] `json:"connection,omitempty" nullable:"false" minLength:"1" maxLength:"64" doc:"Where its people sign in."`
	SSORequired manage.Optional[bool]   `json:"sso_required,omitempty" nullable:"false" example:"true" doc:"Whether they sign in through it alone."`
}

// fixedDomain are the members of a domain that nobody changes.
var fixedDomain = []string{"name", "state", "record", "by_operator", "created_at", "verified_at", "checked_at", "failing_since"}

type patchDomain struct {
	DomainPath
	Body PatchDomain `contentType:"application/merge-patch+json"`
}

func (a *API) patchDomain(ctx context.Context, in *patchDomain) (*domainOutput, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	var out storage.Domain
	err = a.asRead(c, in.Name, func(was storage.Domain) error {
		will, err := in.Body.applied(was)
		if err != nil {
			return err
		}
		if err := a.maySteer(c, was, will); err != nil {
			return err
		}
		if err := a.mayRequire(c, will); err != nil {
			return err
		}
		out, err = a.cfg.Domains.ChangeAsRead(c, c.Tenant, was, domains.Change{Connection: &will.Connection, SSORequired: &will.SSORequired})
		return err
	})
	return answered(out, err)
}

// applied is a domain with what is different.
func (b PatchDomain) applied(d storage.Domain) (storage.Domain, error) {
	var p patching
	must(&p, "connection", b.Connection, (*string)(&d.Connection))
	must(&p, "sso_required", b.SSORequired, &d.SSORequired)
	return d, p.refuse()
}

// attempts is how often something is decided anew because the domain has changed.
const attempts = 4

// asRead decides something on one of the tenant's domains and does it, and decides anew
// when somebody else changed the domain in between.
func (a *API) asRead(c caller, said string, decide func(storage.Domain) error) error {
	var err error
	for range attempts {
		var d storage.Domain
		if d, err = a.cfg.Domains.Get(c, c.Tenant, said); err != nil {
			break
		}
		if err = decide(d); !errors.Is(err, storage.ErrConflict) {
			break
		}
	}
	return refusal(err)
}

// mayRequire refuses to send everybody to where nobody gets in.
func (a *API) mayRequire(c caller, d storage.Domain) error {
	con, err := a.cfg.Store.Tenant(c.Tenant).Connection(c, d.Connection)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return wrong("connection", "There is no such connection.")
	case err != nil:
		return err
	case d.SSORequired && !con.DisabledAt.IsZero():
		return wrong("sso_required", "The connection is disabled: nobody could sign in. Enable it first.")
	}
	return nil
}

func (a *API) removeDomain(ctx context.Context, in *DomainPath) (*struct{}, error) {
	c, err := writer(ctx)
	if err != nil {
		return nil, err
	}
	return nil, a.asRead(c, in.Name, func(d storage.Domain) error {
		if err := a.mayGiveUp(c, d); err != nil {
			return err
		}
		return a.cfg.Domains.Remove(c, c.Tenant, d)
	})
}
