package account

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/origin"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// removal is a factor that somebody wants to be rid of, among all of theirs.
type removal struct {
	factor     storage.Factor
	all        []storage.Factor
	connection storage.Connection
	proof      proof
}

// removal finds it. Somebody else's is unknown.
func (p *Pages) removal(v visit) (m removal, err error) {
	if p.cfg.Prover == nil {
		return m, unknown(nil)
	}
	if m.all, m.connection, err = p.factors(v); err != nil {
		return m, err
	}
	if m.factor, err = chosen(v, m.all); err != nil {
		return m, err
	}
	m.proof, err = p.toChangeFactors(v)
	return m, err
}

// needed reports whether the factor has to stay.
func (m removal) needed(t storage.Tenant) bool {
	return !idp.Removable(t.Policy, m.connection.Kind, m.all, m.factor.ID)
}

// askRemove asks before a factor is removed.
func (p *Pages) askRemove(v visit) error {
	m, err := p.removal(v)
	if err != nil {
		return err
	}
	p.mayLeave(v.w)
	html(v.w)
	return templates.AccountRemove(v.w, templates.AccountRemovePage{
		AccountFrame: p.frame(v, ""), Action: p.at(v, "factors", string(m.factor.ID)), CancelURL: p.at(v, "security"),
		Prove: m.proof.missing(v.live.Session), Factor: p.factor(v, m.factor, m.connection, m.all),
		Needed: m.needed(v.live.Tenant), Last: len(m.all) == 1,
	})
}

// remove removes a factor. The last one that the tenant's policy asks for stays,
// whatever the form says.
func (p *Pages) remove(v visit, fields web.Form) error {
	m, err := p.removal(v)
	if err != nil {
		return err
	}
	back := p.at(v, "factors", string(m.factor.ID))
	if m.needed(v.live.Tenant) {
		return p.done(v, back, "")
	}
	if ok, err := p.proven(v, fields, m.proof, back); !ok {
		return err
	}
	if err := p.claim(v, m); err != nil {
		return err
	}
	ctx := v.r.Context()
	err = p.tenant(v).RemoveFactor(ctx, v.live.User, m.factor.ID, audit.FactorRemoved(ctx, p.now(), v.live.User, m.factor, audit.ActorUser))
	if err != nil {
		return missing(err)
	}
	from := origin.From(ctx)
	err = p.tell(v, mail.FactorRemoved, map[string]string{"factor": m.factor.Name, "ip": from.IP, "device": from.UserAgent})
	if err != nil {
		return err
	}
	return p.done(v, p.at(v, "security"), "removed")
}

// claimFor is for how long a decision on a set of factors is remembered.
const claimFor = time.Minute

// claim makes sure that a removal was decided on the factors that there are: of several
// that looked at the same ones, on whatever node, one goes on. Otherwise two could each
// remove the factor that the other one counts on.
func (p *Pages) claim(v visit, m removal) error {
	seen := []string{string(v.live.User)}
	for _, f := range m.all {
		seen = append(seen, string(f.ID))
	}
	err := p.tenant(v).Once(v.r.Context(), "factor_removal", strings.Join(seen, " "), p.now().Add(claimFor))
	switch {
	case errors.Is(err, storage.ErrConsumed):
		return refuse(http.StatusConflict, "already_used", "The factors have changed meanwhile.", err)
	case err != nil:
		return away(err)
	}
	return nil
}

// tell mails the person what happened, if they have an address.
func (p *Pages) tell(v visit, kind mail.Kind, fields map[string]string) error {
	u := v.live.UserInfo
	if p.cfg.Post == nil || u.Email == "" {
		return nil
	}
	fields["tenant"], fields["by"] = v.live.Tenant.Name, audit.ActorUser
	if err := p.cfg.Post.Queue(v.r.Context(), v.live.Tenant.ID, mail.Message{Kind: kind, To: u.Email, Fields: fields}); err != nil {
		return away(err)
	}
	return nil
}
