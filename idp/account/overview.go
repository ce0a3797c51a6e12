package account

import (
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/internal/token"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// linkLife is for how long a mailed link works.
const linkLife = time.Hour

// mailRate is how many of them a person gets, at each node.
var mailRate = limit.Rate{Requests: 3, Per: time.Hour, Burst: 3}

// overview says who somebody is.
func (p *Pages) overview(v visit) error {
	con, err := p.connection(v, v.live.Connection)
	if err != nil {
		return err
	}
	u := v.live.UserInfo
	name, _ := u.Claims["name"].(string)
	a := templates.AccountPage{
		AccountFrame: p.frame(v, templates.AccountTabOverview),
		UserName:     strings.TrimSpace(name), Role: string(u.Role), RoleFrom: roleFrom(con), Connection: con.Name,
		SignedIn: templates.NewAccountMoment(v.live.CreatedAt, p.now()), ProviderSet: con.Kind != storage.Passkey,
	}
	switch {
	case u.Email != "" && u.EmailVerified:
		a.Confirmed = templates.ConfirmedByProvider
	case u.EmailProved():
		a.Confirmed = templates.ConfirmedByMail
	case u.Email != "" && p.cfg.Post != nil:
		a.ConfirmURL = p.at(v, "address")
	}
	html(v.w)
	return templates.Account(v.w, a)
}

// connection is one of the tenant's; the zero value when it is gone.
func (p *Pages) connection(v visit, id storage.ConnectionID) (storage.Connection, error) {
	con, err := p.tenant(v).Connection(v.r.Context(), id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return con, away(err)
	}
	return con, nil
}

func roleFrom(con storage.Connection) string {
	switch {
	case con.Kind == storage.Passkey || con.ID == "":
		return templates.RoleFromAdmin
	case con.RoleClaim != "":
		return templates.RoleFromProvider
	}
	return templates.RoleFromDefault
}

// sendLink mails a link to the person's address: whoever opens it reads that address.
func (p *Pages) sendLink(v visit, _ web.Form) error {
	u, t, back := v.live.UserInfo, v.live.Tenant, p.at(v)
	switch {
	case p.cfg.Post == nil || u.Email == "":
		return unknown(nil)
	case u.EmailProved():
		return p.done(v, back, "")
	case p.mails.Take(v.r.Context(), string(t.ID)+" "+string(u.ID), mailRate).Over:
		return p.done(v, back, "too_often")
	}
	now, secret, ctx := p.now(), token.NewSecret(), v.r.Context()
	hash := sha256.Sum256([]byte(secret))
	link := storage.EmailLink{
		Hash: hash[:], User: u.ID, Email: u.Email, Purpose: storage.LinkVerify, CreatedAt: now, ExpiresAt: now.Add(linkLife),
	}
	m, err := p.cfg.Post.Prepare(t.ID, mail.Message{
		Kind: mail.VerifyAddress, To: u.Email, Life: linkLife,
		Fields: map[string]string{"link": idp.LinkURL(p.cfg.Base, t.ID, secret), "tenant": t.Name},
	})
	if err != nil {
		return err
	}
	if err := p.tenant(v).CreateEmailLink(ctx, link, m, audit.LinkSent(ctx, now, u.ID, link.Purpose)); err != nil {
		return away(err)
	}
	return p.done(v, back, "mail_sent")
}
