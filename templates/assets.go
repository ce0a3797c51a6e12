package templates

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static/watchgate.css static/favicon.svg
var staticFiles embed.FS

// AssetPrefix is the path under which [AssetHandler] is mounted on each origin that serves these pages, as
// "GET " + AssetPrefix.
const AssetPrefix = "/assets/"

// asset is a static file under a name that changes with its content.
type asset struct {
	name        string // watchgate.0123456789abcdef.css
	contentType string
	body        []byte
}

var (
	stylesheet = loadAsset("watchgate.css", "text/css; charset=utf-8")
	favicon    = loadAsset("favicon.svg", "image/svg+xml")

	stylesheetURL = AssetPrefix + stylesheet.name
	faviconURL    = AssetPrefix + favicon.name
)

// loadAsset reads an embedded file; one that is missing stops the program at start.
func loadAsset(file, contentType string) asset {
	body, err := staticFiles.ReadFile("static/" + file)
	if err != nil {
		panic(fmt.Sprintf("templates: %v", err))
	}
	sum := sha256.Sum256(body)
	ext := path.Ext(file)
	name := strings.TrimSuffix(file, ext) + "." + hex.EncodeToString(sum[:8]) + ext
	return asset{name: name, contentType: contentType, body: body}
}

// Stylesheet returns the one stylesheet and the name under which every page asks for it: AssetPrefix + name.
func Stylesheet() (name string, body []byte) {
	return stylesheet.name, bytes.Clone(stylesheet.body)
}

// AssetHandler serves the static files below [AssetPrefix], for GET and HEAD. A name holds a hash of the content, so that
// browsers keep a file for a year without asking; any other name, an older version's included, is 404.
func AssetHandler() http.Handler {
	byPath := map[string]asset{stylesheetURL: stylesheet, faviconURL: favicon}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		file, ok := byPath[r.URL.Path]
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		case !ok:
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "not found", http.StatusNotFound)
		default:
			serveAsset(w, r, file)
		}
	})
}

func serveAsset(w http.ResponseWriter, r *http.Request, file asset) {
	h := w.Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	// An SVG that is opened as a page is a document of this origin: it may do nothing.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	http.ServeContent(w, r, file.name, time.Time{}, bytes.NewReader(file.body))
}
