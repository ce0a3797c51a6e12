// Package browsertest drives a real Chromium for tests of pages: it starts one with a
// fresh profile, shows it a page as a phone or a desktop would, light or dark, takes
// pictures, and runs the axe-core accessibility checker.
//
// It owns the browser's flags and its end. It does not own what a test does in
// the page: that is chromedp's vocabulary, on the context that [New] returns. A
// machine without Chromium fails the test and never skips it.
package browsertest
