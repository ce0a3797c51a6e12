package templates

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed html/*.html
var sources embed.FS

var layout = template.Must(template.New("layout").Funcs(template.FuncMap{
	"icon":       icon,
	"name":       displayName,
	"detail":     displayDetail,
	"initial":    initial,
	"tint":       tint,
	"lifetime":   lifetimeWords,
	"stylesheet": func() string { return stylesheetURL },
	"favicon":    func() string { return faviconURL },
}).ParseFS(sources, "html/layout.html", "html/parts.html"))

// document parses html/<name>.html over the common layout. A mistake in an embedded page stops the program at start.
func document(name string) *template.Template {
	return template.Must(template.Must(layout.Clone()).ParseFS(sources, "html/"+name+".html"))
}

// render executes into memory first: a document that fails half-way must not reach the browser, nor fix the status.
func render(w io.Writer, page *template.Template, data any) error {
	var buf bytes.Buffer
	if err := page.ExecuteTemplate(&buf, "layout.html", data); err != nil {
		return fmt.Errorf("templates: render: %w", err)
	}
	_, err := buf.WriteTo(w)
	return err
}
