package account

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/watchgate/watchgate/audit"
	"github.com/watchgate/watchgate/idp"
	"github.com/watchgate/watchgate/internal/web"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/templates"
)

// named finds the factor that the path names. Somebody else's is unknown.
func (p *Pages) named(v visit) (storage.Factor, error) {
	all, err := p.tenant(v).ListFactors(v.r.Context(), v.live.User)
	if err != nil {
		return storage.Factor{}, away(err)
	}
	return chosen(v, all)
}

// chosen is the factor that the path names, of the person's own.
func chosen(v visit, all []storage.Factor) (storage.Factor, error) {
	i := slices.IndexFunc(all, func(f storage.Factor) bool { return string(f.ID) == v.r.PathValue("factor") })
	if i < 0 {
		return storage.Factor{}, unknown(nil)
	}
	return all[i], nil
}

// askName asks what a factor shall be called.
func (p *Pages) askName(v visit) error {
	f, err := p.named(v)
	if err != nil {
		return err
	}
	return p.showName(v, f, f.Name, "")
}

func (p *Pages) showName(v visit, f storage.Factor, said, problem string) error {
	html(v.w)
	if problem != "" {
		v.w.WriteHeader(http.StatusUnprocessableEntity)
	}
	return templates.AccountName(v.w, templates.AccountNamePage{
		AccountFrame: p.frame(v, ""), Action: p.at(v, "factors", string(f.ID), "name"), CancelURL: p.at(v, "security"),
		Factor: templates.AccountFactor{Name: f.Name}, Said: said, Problem: problem,
	})
}

// rename stores what a factor is called. It takes no proof: nobody gets anything by it,
// and the trail has both what it was and who did it.
func (p *Pages) rename(v visit, fields web.Form) error {
	f, err := p.named(v)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(fields.Get(templates.FieldName))
	if problem := misnamed(name); problem != "" {
		return p.showName(v, f, name, problem)
	}
	if name != f.Name {
		ctx := v.r.Context()
		was := f.Name
		f.Name = name
		if err := p.tenant(v).RenameFactor(ctx, v.live.User, f.ID, name, audit.FactorRenamed(ctx, p.now(), v.live.User, f, was)); err != nil {
			return missing(err)
		}
	}
	return p.done(v, p.at(v, "security"), "renamed")
}

// misnamed is what is wrong with a name. It is written into mails and lists, where what
// cannot be seen, or turns the text around it, would make it say something else.
func misnamed(name string) string {
	unseen := func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
	}
	switch {
	case name == "":
		return templates.AccountNameMissing
	case utf8.RuneCountInString(name) > idp.MaxFactorName:
		return templates.AccountNameTooLong
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unseen):
		return templates.AccountNameUnclear
	}
	return ""
}
