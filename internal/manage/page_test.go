package manage

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (w *world) fill(n int) {
	for i := range n {
		w.things.names = append(w.things.names, strconv.Itoa(i))
	}
}

func (w *world) page(path, as string) Collection[thing] {
	w.t.Helper()
	r := w.ask("GET", path, "", as)
	var c Collection[thing]
	if err := json.Unmarshal([]byte(r.body), &c); err != nil || r.StatusCode != 200 {
		w.t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	return c
}

func TestAWalkOverThePagesSeesEverythingOnce(t *testing.T) {
	w := newWorld(t)
	w.fill(45)
	var sizes, seen []string
	cursor := ""
	for {
		c := w.page("/v1/things?cursor="+cursor, asAlice)
		sizes = append(sizes, strconv.Itoa(len(c.Items)))
		for _, item := range c.Items {
			seen = append(seen, item.ID)
		}
		if cursor = c.NextCursor; cursor == "" {
			break
		}
	}
	if len(seen) != 45 || seen[44] != "thing_45" || strings.Join(sizes, " ") != "20 20 5" {
		t.Errorf("%v, %v", sizes, seen)
	}
	if c := w.page("/v1/things?limit=45", asAlice); c.NextCursor != "" {
		t.Error("a full last page leads to an empty one")
	}
}

func TestAnEmptyListIsAList(t *testing.T) {
	w := newWorld(t)
	if r := w.ask("GET", "/v1/things", "", asAlice); r.body != `{"items":[]}`+"\n" {
		t.Error(r.body)
	}
}

// TestACursorOfAnotherListIsRefused: of another tenant, with other filters, changed.
func TestACursorOfAnotherListIsRefused(t *testing.T) {
	w := newWorld(t)
	w.fill(9)
	cursor := w.page("/v1/things?limit=2&owner=a", asAlice).NextCursor
	if got := w.page("/v1/things?limit=5&owner=a&cursor="+cursor, asBob); got.Items[0].ID != "thing_3" {
		t.Errorf("%+v", got)
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		bad := append([]byte(nil), raw...)
		bad[i] ^= 1
		w.refused(w.ask("GET", "/v1/things?owner=a&cursor="+base64.RawURLEncoding.EncodeToString(bad), "", asAlice), InvalidRequest, "query:cursor")
	}
	w.refused(w.ask("GET", "/v1/things?owner=a&cursor="+cursor, "", asCarol), InvalidRequest, "query:cursor")
	w.refused(w.ask("GET", "/v1/things?owner=b&cursor="+cursor, "", asAlice), InvalidRequest, "query:cursor")
	w.refused(w.ask("GET", "/v1/things?cursor="+cursor, "", asAlice), InvalidRequest, "query:cursor")
	w.refused(w.ask("GET", "/v1/things?owner=a&cursor="+strings.Repeat("a", 600), "", asAlice), InvalidRequest, "query:cursor")
}

func TestLinksLeadToPages(t *testing.T) {
	w := newWorld(t)
	w.fill(2345)
	r := w.ask("GET", "/v1/things?limit=10&owner=a", "", asAlice)
	links := map[string]string{}
	for link := range strings.SplitSeq(r.Header.Get("Link"), ", ") {
		to, rel, _ := strings.Cut(link, "; rel=")
		links[strings.Trim(rel, `"`)] = strings.Trim(to, "<>")
	}
	for rel, first := range map[string]string{"first": "thing_1", "next": "thing_11", "last": "thing_2336"} {
		c := w.page(links[rel], asAlice)
		if len(c.Items) != 10 || c.Items[0].ID != first {
			t.Errorf("%s (%s): %d, from %s", rel, links[rel], len(c.Items), c.Items[0].ID)
		}
		if rel == "last" && c.NextCursor != "" {
			t.Error("there is one after the last")
		}
	}
}

func TestCollectionsInTheHydraVocabulary(t *testing.T) {
	w := newWorld(t)
	w.fill(5)
	r := w.ask("GET", "/v1/things?limit=2&owner=a", "", asAlice, "Accept: application/ld+json")
	var got map[string]any
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.Header.Get("Content-Type") != mediaLD {
		t.Fatal(err, r.body)
	}
	view := got["view"].(map[string]any)
	next, last := view["next"].(string), view["last"].(string)
	delete(got, "view")
	want := map[string]any{
		"@context": "/v1/context.jsonld", "@id": "/v1/things?limit=2&owner=a", "@type": "Collection", "totalItems": 5.0,
		"member": []any{
			map[string]any{"@id": "/v1/things/thing_1", "@type": "Thing", "id": "thing_1", "name": "", "owner": ""},
			map[string]any{"@id": "/v1/things/thing_2", "@type": "Thing", "id": "thing_2", "name": "", "owner": ""},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, link := range []string{next, last} {
		u, err := url.Parse(link)
		if err != nil || u.Query().Get("owner") != "a" || u.Query().Get("limit") != "2" || u.Query().Get("cursor") == "" {
			t.Errorf("%s %v", link, err)
		}
	}
	if c := w.page(last, asAlice); c.Items[0].ID != "thing_4" {
		t.Errorf("%+v", c)
	}
}

func TestObjectsInJSONLD(t *testing.T) {
	w := newWorld(t)
	r := w.ask("GET", "/v1/things/1", "", asAlice, "Accept: application/ld+json")
	if r.body != `{"@context":"/v1/context.jsonld","@id":"/v1/things/1","@type":"Thing","id":"1","name":"","owner":""}` || r.Header.Get("ETag") != `"3-ld"` {
		t.Error(r.body, r.Header.Get("ETag"))
	}
	r = w.ask("GET", "/v1/context.jsonld", "")
	var context struct {
		Context map[string]any `json:"@context"`
	}
	if err := json.Unmarshal([]byte(r.body), &context); err != nil || context.Context["totalItems"] != "hydra:totalItems" || context.Context["hydra"] != "http://www.w3.org/ns/hydra/core#" {
		t.Error(err, r.body)
	}
}

func FuzzCursor(f *testing.F) {
	key, scope := []byte("0123456789abcdef0123456789abcdef"), "a list"
	f.Add(sealCursor(key, scope, place{after: "key_1"}))
	f.Add(sealCursor(key, scope, place{last: true}))
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		at, err := openCursor([][]byte{key}, scope, cursor)
		if err == nil && sealCursor(key, scope, at) != cursor {
			t.Errorf("%q was not made here, and opens as %+v", cursor, at)
		}
	})
}

func FuzzMergePatch(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":null}`, `{"name":"x","tags":["a"]}`, `{"name":{}}`, `{"name":"a","name":"b"}`, `[`, `{"tags":[null]}`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		checked := checkJSON(body)
		var patch struct {
			Name Optional[string]   `json:"name"`
			Tags Optional[[]string] `json:"tags"`
		}
		err := json.Unmarshal(body, &patch)
		if checked == nil && !json.Valid(body) {
			t.Fatalf("%q is no JSON, and is read", body)
		}
		if checked != nil || err != nil {
			return
		}
		if patch.Name.Null && patch.Name.Value != "" || !patch.Name.Set && patch.Name.Pointer() != nil {
			t.Errorf("%q: %+v", body, patch)
		}
	})
}
