package browsertest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/watchgate/watchgate/internal/npmtest"
)

// violation is the part of an axe-core result that a person needs to mend it.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

func (v violation) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s (%s): %s", v.ID, v.Impact, v.Help)
	for _, node := range v.Nodes {
		fmt.Fprintf(&text, "\n  %s\n    %s", node.HTML, strings.ReplaceAll(node.FailureSummary, "\n", "\n    "))
	}
	return text.String()
}

// Axe runs every rule of axe-core, best practices included, on the page that is open and fails the test
// for each violation. Contrast depends on the view: call it after [Look]
// or [Screenshot], in light and in dark. It runs through the debugger, which the
// page's Content-Security-Policy does not concern.
func Axe(ctx context.Context, t testing.TB) {
	t.Helper()
	found, err := violations(ctx)
	if err != nil {
		t.Fatalf("browsertest: axe-core: %v", err)
	}
	for _, v := range found {
		t.Errorf("accessibility: %s", v)
	}
}

func violations(ctx context.Context) ([]violation, error) {
	path, err := npmtest.Package("axe-core/axe.min.js")
	if err != nil {
		return nil, err
	}
	script, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	const run = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => ({
		ID: v.id, Impact: v.impact, Help: v.help,
		Nodes: v.nodes.map(n => ({HTML: n.html, FailureSummary: n.failureSummary})),
	})))`
	if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](string(script))); err != nil {
		return nil, err
	}
	return chromedp.Run(ctx, chromedp.Evaluate[[]violation](run, chromedp.EvalAwaitPromise))
}
