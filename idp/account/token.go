package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// What a token is for: one of a form says nothing, and one that says something is good
// for no form.
const (
	useForm   = "form"
	useNotice = "notice "
)

// token is bound to the handle of a session, which changes whenever somebody proves
// something: only whoever was shown a page of that session has it.
func (p *Pages) token(l storage.LiveSession, use string) string {
	mac := hmac.New(sha256.New, p.cfg.CookieKey)
	mac.Write([]byte("account\x00" + use + "\x00" + string(l.Tenant.ID) + "\x00" + string(l.ID) + "\x00"))
	mac.Write(l.Handle)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (p *Pages) isToken(presented string, l storage.LiveSession, use string) bool {
	return hmac.Equal([]byte(presented), []byte(p.token(l, use)))
}

// notices are what a page can say that comes after a form, by the name that stands in
// its address.
var notices = map[string]string{
	"mail_sent": templates.AccountMailSent, "too_often": templates.AccountMailTooOften, "removed": templates.AccountFactorRemoved, "renamed": templates.AccountFactorRenamed,
	"ended": templates.AccountSessionEnded, "others_ended": templates.AccountOthersEnded, "withdrawn": templates.AccountWithdrawn,
}

// done answers a form: it leads to a page that says what happened. 303: what follows
// is a GET, and reloading it repeats nothing.
func (p *Pages) done(v visit, path, notice string) error {
	if notice != "" {
		path += "?" + url.Values{"said": {notice + "." + p.token(v.live, useNotice+notice)}}.Encode()
	}
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// notice is what the page's address says that happened; a link that somebody else made
// says nothing.
func (p *Pages) notice(v visit) string { return notices[p.said(v)] }

func (p *Pages) said(v visit) string {
	name, presented, _ := strings.Cut(v.r.URL.Query().Get("said"), ".")
	if name == "" || !p.isToken(presented, v.live, useNotice+name) {
		return ""
	}
	return name
}
