package e2e

import (
	"net/http"
	"net/url"
	"testing"
)

// TestAConnectionIsTriedThroughTheAPI makes a trial, takes it as a person does, and
// reads what it came to, which no drawn request can.
func TestAConnectionIsTriedThroughTheAPI(t *testing.T) {
	w := newManaged(t)
	collection := "/v1/connections/{id}/tests"
	trial := w.made(t, w.acme, collection, map[string]string{"id": w.acme.connection})
	address := must[*url.URL](t)(url.Parse(trial["url"].(string)))
	if page := w.f.walkTo(t, w.f.browser(w.app), address.RequestURI(), alice); page.Status != http.StatusOK {
		t.Fatalf("the trial ended at %s (%d): %s", page.URL, page.Status, page.Text())
	}
	for _, o := range w.operations(t) {
		if o.OperationID != "get-connection-test" {
			continue
		}
		a := w.ask(t, question{operation: o, path: map[string]string{"id": w.acme.connection, "test": trial["id"].(string)}}, w.acme.token)
		report, _ := a.json(t)["report"].(map[string]any)
		if a.text("state") != "done" || report["works"] != true || report["role"] != "owner" || report["level"] != "mfa" {
			t.Errorf("the trial came to %s", a)
		}
		for _, wrong := range w.checkAnswer(o, a) {
			t.Errorf("%s: %s", o, wrong)
		}
		return
	}
	t.Error("there is no operation that reads it")
}
