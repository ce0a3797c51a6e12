package templates

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"path"
	"strings"
	texttemplate "text/template"
)

// ErrNoMail: there is no mail of that kind, or it cannot be written with these fields.
var ErrNoMail = errors.New("templates: no such mail")

//go:embed mail/*.txt mail/*.html
var mailFiles embed.FS

// letter is one kind of mail in both its forms.
type letter struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

// letters are all kinds, by name. A mistake in an embedded file stops the program at start.
var letters = loadLetters()

// mailWords is what the files of mails may call.
var mailWords = map[string]any{"by": byWords, "fact": newMailFact}

// mailFact is a value with what it is.
type mailFact struct{ Label, Value string }

func newMailFact(label, value string) mailFact { return mailFact{label, value} }

func loadLetters() map[string]letter {
	text := texttemplate.Must(texttemplate.New("layout.txt").Funcs(mailWords).Option("missingkey=zero").ParseFS(mailFiles, "mail/layout.txt"))
	html := htmltemplate.Must(htmltemplate.New("layout.html").Funcs(mailWords).Option("missingkey=zero").ParseFS(mailFiles, "mail/layout.html"))
	files, err := fs.Glob(mailFiles, "mail/*.txt")
	if err != nil {
		panic(fmt.Sprintf("templates: %v", err))
	}
	all := map[string]letter{}
	for _, file := range files {
		kind := strings.TrimSuffix(path.Base(file), ".txt")
		if kind == "layout" {
			continue
		}
		all[kind] = letter{
			text: texttemplate.Must(texttemplate.Must(text.Clone()).ParseFS(mailFiles, file)),
			html: htmltemplate.Must(htmltemplate.Must(html.Clone()).ParseFS(mailFiles, "mail/"+kind+".html")),
		}
	}
	return all
}

// Mail writes the mail of a kind: its subject, which is one line, and what it says as text and as an HTML document. The
// kinds and their fields are those of package internal/mail; every kind has these too, each of which may be absent: "at"
// (when it happened, RFC 3339), "issuer" (the deployment that says so), "support" (whom to ask). An unknown kind is
// ErrNoMail, as is one without its link; a link that is no http or https URL is [ErrUnsafeURL]. No error has a field in it.
func Mail(kind string, fields map[string]string) (subject, text, html string, err error) {
	l, known := letters[kind]
	if !known {
		return "", "", "", fmt.Errorf("%w: there is no such kind", ErrNoMail)
	}
	clean, err := mailFields(fields)
	if err != nil {
		return "", "", "", err
	}
	if needsLink[kind] && clean["link"] == "" {
		return "", "", "", fmt.Errorf("%w: it has no link", ErrNoMail)
	}
	return l.write(clean)
}

// needsLink are the kinds that are nothing without it.
var needsLink = map[string]bool{"sign_in_link": true, "invitation": true, "verify_address": true}

func (l letter) write(fields map[string]string) (subject, text, html string, err error) {
	var s, t, h strings.Builder
	if err := errors.Join(
		l.text.ExecuteTemplate(&s, "subject", fields),
		l.text.ExecuteTemplate(&t, "layout.txt", fields),
	); err != nil {
		return "", "", "", fmt.Errorf("%w: its text cannot be written", ErrNoMail)
	}
	subject = visible(s.String(), maxSubject)
	page := map[string]any{"Subject": subject, "F": fields}
	if err := l.html.ExecuteTemplate(&h, "layout.html", page); err != nil {
		return "", "", "", fmt.Errorf("%w: its page cannot be written", ErrNoMail)
	}
	return subject, tidy(t.String()), h.String(), nil
}

// tidy leaves at most one empty line between paragraphs, and none at the ends.
func tidy(text string) string {
	for strings.Contains(text, "\n\n\n") {
		text = strings.ReplaceAll(text, "\n\n\n", "\n\n")
	}
	return strings.TrimSpace(text) + "\n"
}
