package templates

import (
	"errors"
	"html/template"
)

var errUnknownIcon = errors.New("templates: unknown icon")

// icons are drawn on a 24 by 24 grid in the text's colour. They decorate: the words beside them say the same.
var icons = map[string]string{
	"mail":    `<rect x="3" y="5" width="18" height="14" rx="2.5"/><path d="m4 7.5 8 5.5 8-5.5"/>`,
	"arrow":   `<path d="M5 12h14M13 6l6 6-6 6"/>`,
	"check":   `<path d="m5 12.5 4.5 4.5L19 7.5"/>`,
	"cross":   `<path d="M6 6l12 12M18 6 6 18"/>`,
	"swap":    `<path d="M4 9h15M15 5l4 4-4 4M20 15H5m4-4-4 4 4 4"/>`,
	"alert":   `<path d="M12 4 2.8 19.5h18.4L12 4Z"/><path d="M12 10v4.5M12 17v.01"/>`,
	"info":    `<circle cx="12" cy="12" r="9"/><path d="M12 11v5M12 8v.01"/>`,
	"device":  `<rect x="4" y="5" width="16" height="11" rx="2"/><path d="M2 19.5h20"/>`,
	"clock":   `<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3.2 2"/>`,
	"person":  `<circle cx="12" cy="8" r="4"/><path d="M4.5 20c1-4 4-5.5 7.5-5.5s6.5 1.5 7.5 5.5"/>`,
	"plus":    `<path d="M12 5v14M5 12h14"/>`,
	"key":     `<circle cx="8" cy="15" r="4.5"/><path d="m11.2 11.8 8.3-8.3M16 7l3 3"/>`,
	"shield":  `<path d="M12 3 4.5 6v6c0 4.5 3.2 7.7 7.5 9 4.3-1.3 7.5-4.5 7.5-9V6L12 3Z"/>`,
	"refresh": `<path d="M20 11a8 8 0 1 0-.8 5M20 5v6h-6"/>`,
	"chevron": `<path d="m9 5 7 7-7 7"/>`,
}

// icon draws one of the icons. An unknown name is a mistake in an embedded page, and the tests render them all.
func icon(name string) (template.HTML, error) {
	shape, ok := icons[name]
	if !ok {
		return "", errUnknownIcon
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor"` +
		` stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">` +
		shape + `</svg>`), nil
}
