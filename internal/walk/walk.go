package walk

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// maxPage bounds a page, in bytes.
const maxPage = 1 << 20

// Browser is one browser profile. It is not safe for concurrent use.
type Browser struct {
	client *http.Client
	stop   func(*url.URL) bool
}

// New returns a browser without cookies. It does not visit a URL for which stop
// is true: that URL is where the walk ends (an app's redirect URI). stop may be
// nil. transport may be nil.
func New(transport http.RoundTripper, stop func(*url.URL) bool) *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // only for options that are wrong
	}
	if stop == nil {
		stop = func(*url.URL) bool { return false }
	}
	b := &Browser{stop: stop}
	b.client = &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second, CheckRedirect: b.redirect}
	return b
}

func (b *Browser) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > 20 {
		return fmt.Errorf("walk: more than 20 redirects, the last to %s", req.URL.Host)
	}
	if b.stop(req.URL) {
		return http.ErrUseLastResponse
	}
	return nil
}

// Cookies returns what the browser would send to u.
func (b *Browser) Cookies(u string) []*http.Cookie {
	parsed, err := url.Parse(u)
	if err != nil {
		return nil
	}
	return b.client.Jar.Cookies(parsed)
}

// Page is where a walk stands.
type Page struct {
	browser *Browser
	Status  int
	Header  http.Header
	URL     *url.URL // of the page; of the redirect's target when the walk ended
	Ended   bool     // the walk ended at a URL for which stop is true
	Body    string
	forms   []form
}

// Get visits a URL.
func (b *Browser) Get(ctx context.Context, u string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	return b.visit(req)
}

// Post submits values to a URL, as a form on origin would.
func (b *Browser) Post(ctx context.Context, u, origin string, values url.Values) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u, strings.NewReader(values.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	return b.visit(req)
}

func (b *Browser) visit(req *http.Request) (*Page, error) {
	res, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		return nil, err
	}
	p := &Page{browser: b, Status: res.StatusCode, Header: res.Header, URL: res.Request.URL, Body: string(body)}
	if to, err := res.Location(); err == nil && b.stop(to) {
		p.URL, p.Ended = to, true
		return p, nil
	}
	doc, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		return nil, err
	}
	p.forms = formsOf(doc)
	return p, nil
}

// Fields returns the values of the first form of the page, its hidden ones
// included.
func (p *Page) Fields() url.Values {
	if len(p.forms) == 0 {
		return nil
	}
	return p.forms[0].fields
}

// Has reports whether the page has a button: by its id, or as "name=value".
func (p *Page) Has(button string) bool {
	_, _, ok := p.find(button)
	return ok
}

// Press submits the form of a button, named by its id or as "name=value", with
// fill overriding the form's own values.
func (p *Page) Press(ctx context.Context, button string, fill url.Values) (*Page, error) {
	f, b, ok := p.find(button)
	if !ok {
		return nil, fmt.Errorf("walk: no button %q on %s (%d): %s", button, p.URL.Path, p.Status, p.Text())
	}
	action, err := p.URL.Parse(f.action)
	if err != nil {
		return nil, err
	}
	values := url.Values{}
	for _, from := range []url.Values{f.fields, b.value(), fill} {
		for k, v := range from {
			values[k] = v
		}
	}
	if f.method == http.MethodGet {
		action.RawQuery = values.Encode()
		return p.browser.Get(ctx, action.String())
	}
	return p.browser.Post(ctx, action.String(), p.URL.Scheme+"://"+p.URL.Host, values)
}

// Text is what a person reads on the page, with spaces folded.
func (p *Page) Text() string {
	doc, err := html.Parse(strings.NewReader(p.Body))
	if err != nil {
		return ""
	}
	var words []string
	collect(doc, &words)
	return strings.Join(words, " ")
}
