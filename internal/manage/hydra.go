package manage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// contextPath is where the JSON-LD context is served.
const contextPath = "/v1/context.jsonld"

// Resource is an object that has an address and a type in JSON-LD: "/v1/auth/keys/key_1",
// "ApiKey". What is no Resource is written without either.
type Resource interface {
	Resource() (path, kind string)
}

// hydra is a page in the W3C Hydra vocabulary (https://www.w3.org/ns/hydra/core).
type hydra struct {
	Context    string            `json:"@context"`
	ID         string            `json:"@id"`
	Type       string            `json:"@type"`
	TotalItems int               `json:"totalItems"`
	Member     []json.RawMessage `json:"member"`
	View       hydraView         `json:"view"`
}

// hydraView is which part of the collection the members are.
type hydraView struct {
	ID    string `json:"@id"`
	Type  string `json:"@type"`
	First string `json:"first"`
	Next  string `json:"next,omitempty"`
	Last  string `json:"last"`
}

// linked is what writes itself as JSON-LD.
type linked interface{ asLinked() (any, error) }

// asLinked is the page as a Hydra collection.
func (c Collection[R]) asLinked() (any, error) {
	h := hydra{
		Context: contextPath, ID: c.links.first, Type: "Collection", TotalItems: c.total, Member: make([]json.RawMessage, 0, len(c.Items)),
		View: hydraView{ID: c.links.self, Type: "PartialCollectionView", First: c.links.first, Next: c.links.next, Last: c.links.last},
	}
	for _, item := range c.Items {
		member, err := linkedObject(item, "")
		if err != nil {
			return nil, err
		}
		h.Member = append(h.Member, member)
	}
	return h, nil
}

// marshalLD writes an answer as JSON-LD 1.1.
func marshalLD(w io.Writer, v any) error {
	if l, ok := v.(linked); ok {
		out, err := l.asLinked()
		if err != nil {
			return err
		}
		return marshalJSON(w, out)
	}
	out, err := linkedObject(v, contextPath)
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// linkedObject is an object with its JSON-LD keywords before its own members.
func linkedObject(v any, context string) (json.RawMessage, error) {
	var body bytes.Buffer
	if err := marshalJSON(&body, v); err != nil {
		return nil, err
	}
	plain := bytes.TrimSpace(body.Bytes())
	keywords := struct {
		Context string `json:"@context,omitempty"`
		ID      string `json:"@id,omitempty"`
		Type    string `json:"@type,omitempty"`
	}{Context: context}
	if r, ok := v.(Resource); ok {
		keywords.ID, keywords.Type = r.Resource()
	}
	head, err := json.Marshal(keywords)
	if err != nil || !bytes.HasPrefix(plain, []byte("{")) {
		return nil, fmt.Errorf("manage: %T is no JSON object: %w", v, err)
	}
	return splice(head, plain), nil
}

// splice joins the members of two JSON objects.
func splice(a, b []byte) json.RawMessage {
	switch {
	case len(a) == 2: // {}
		return b
	case len(b) == 2:
		return a
	}
	return append(append(a[:len(a)-1:len(a)-1], ','), b[1:]...)
}

// ldContext says what the names mean: Hydra's are Hydra's, all others are ours.
func (a *API) ldContext() []byte {
	link := func(name string) map[string]string { return map[string]string{"@id": "hydra:" + name, "@type": "@id"} }
	out, err := json.MarshalIndent(map[string]any{"@context": map[string]any{
		"@version": 1.1, "@vocab": a.cfg.Issuer + "/v1/docs#",
		"hydra":      "http://www.w3.org/ns/hydra/core#",
		"Collection": "hydra:Collection", "PartialCollectionView": "hydra:PartialCollectionView",
		"totalItems": "hydra:totalItems", "member": map[string]string{"@id": "hydra:member", "@container": "@set"},
		"view": link("view"), "first": link("first"), "next": link("next"), "last": link("last"),
	}}, "", "  ")
	if err != nil {
		panic("manage: the JSON-LD context does not encode: " + err.Error()) // it is made of strings
	}
	return append(out, '\n')
}
