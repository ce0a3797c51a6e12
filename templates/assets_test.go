package templates

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func getAsset(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	AssetHandler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestPagesAskForAssetsThatAreServed(t *testing.T) {
	wantType := map[string]string{"stylesheet": "text/css; charset=utf-8", "icon": "image/svg+xml"}
	links := elements(parsed(t, samples()["signin"]), "link")
	if len(links) != len(wantType) {
		t.Fatalf("%d links", len(links))
	}
	for _, link := range links {
		w := getAsset("GET", attr(link, "href"))
		h := w.Header()
		if w.Code != 200 || w.Body.Len() == 0 || h.Get("Content-Type") != wantType[attr(link, "rel")] {
			t.Errorf("%s: %d %s", attr(link, "href"), w.Code, h.Get("Content-Type"))
		}
		if h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", attr(link, "href"), h)
		}
	}
}

func TestStylesheetNameHoldsAHashOfItsContent(t *testing.T) {
	name, body := Stylesheet()
	if !regexp.MustCompile(`^watchgate\.[0-9a-f]{16}\.css$`).MatchString(name) {
		t.Errorf("name = %q", name)
	}
	if got := getAsset("GET", AssetPrefix+name).Body.String(); got != string(body) {
		t.Error("the handler serves something else")
	}
	if regexp.MustCompile(`@import|url\(|https?:`).Match(body) {
		t.Error("the stylesheet loads something")
	}
}

func TestOtherAssetNamesAndMethodsAreRefused(t *testing.T) {
	name, _ := Stylesheet()
	tests := []struct {
		method, path string
		want         int
	}{
		{"GET", AssetPrefix, 404},
		{"GET", AssetPrefix + "watchgate.css", 404},
		{"GET", AssetPrefix + "../render.go", 404},
		{"GET", AssetPrefix + strings.Replace(name, ".", ".0", 1), 404},
		{"POST", AssetPrefix + name, 405},
		{"HEAD", AssetPrefix + name, 200},
	}
	for _, test := range tests {
		w := getAsset(test.method, test.path)
		if w.Code != test.want || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, w.Code, test.want)
		}
		if w.Code == http.StatusNotFound && w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached as missing", test.path)
		}
	}
}
