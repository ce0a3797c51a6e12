package browsertest

import (
	"context"
	"testing"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Strict fails the test, from now on, for each script error and each thing that a
// Content-Security-Policy stopped: a page that was denied its own stylesheet
// looks wrong, but passes every test of its text. Answers such as 400 and 403,
// which the console also reports, are none of its business.
func Strict(ctx context.Context, t testing.TB) {
	t.Helper()
	err := chromedp.Listen(ctx, func(event any) {
		switch event := event.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("the page's script failed: %+v", event.ExceptionDetails)
		case *cdplog.EventEntryAdded:
			if event.Entry.Source == cdplog.EntrySourceSecurity {
				t.Errorf("the browser stopped something: %s (%s)", event.Entry.Text, event.Entry.URL)
			}
		}
	})
	if err != nil {
		t.Fatalf("browsertest: %v", err)
	}
}
