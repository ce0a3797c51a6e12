package leak

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/watchgate/watchgate/internal/web"
)

var start = time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC)

// github is what GitHub has: keys that it publishes as its API does, and signs with.
type github struct {
	*httptest.Server
	testing *testing.T
	keys    map[string]*ecdsa.PrivateKey
	order   []string
	asked   int
	away    bool
}

func newGitHub(t *testing.T) *github {
	g := &github{testing: t, keys: map[string]*ecdsa.PrivateKey{}}
	g.Server = httptest.NewServer(http.HandlerFunc(g.meta))
	t.Cleanup(g.Close)
	g.newKey(elliptic.P256())
	return g
}

// newKey publishes one more key and returns its identifier.
func (g *github) newKey(curve elliptic.Curve) string {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		g.testing.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		g.testing.Fatal(err)
	}
	sum := sha256.Sum256(der)
	id := hex.EncodeToString(sum[:])
	g.keys[id] = key
	g.order = append(g.order, id)
	return id
}

// meta is GET /meta/public_keys/secret_scanning of the REST API.
func (g *github) meta(w http.ResponseWriter, _ *http.Request) {
	g.asked++
	if g.away {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	type published struct {
		ID      string `json:"key_identifier"`
		Key     string `json:"key"`
		Current bool   `json:"is_current"`
	}
	var out struct {
		Keys []published `json:"public_keys"`
	}
	for i, id := range g.order {
		der, err := x509.MarshalPKIXPublicKey(&g.keys[id].PublicKey)
		if err != nil {
			g.testing.Error(err)
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		out.Keys = append(out.Keys, published{id, string(text), i == len(g.order)-1})
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err := json.NewEncoder(w).Encode(out); err != nil {
		g.testing.Error(err)
	}
}

func (g *github) sign(id, body string) string {
	sum := sha256.Sum256([]byte(body))
	sig, err := ecdsa.SignASN1(rand.Reader, g.keys[id], sum[:])
	if err != nil {
		g.testing.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(sig)
}

// site is the endpoint behind the edge.
type site struct {
	*testing.T
	mux    *web.Mux
	now    time.Time
	mu     sync.Mutex
	leaked []string
	fails  error
	meet   *sync.WaitGroup // each finding waits for the others
}

func newSite(t *testing.T, g *github) *site {
	s := &site{T: t, now: start}
	s.mux = web.NewMux(web.Config{MaxBody: 4 << 20})
	s.mux.API("POST /leaks/github", Handler(Config{
		URL: g.URL, Now: func() time.Time { return s.now },
		Fetch: func(ctx context.Context, url string) ([]byte, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return nil, err
			}
			resp, err := g.Client().Do(req)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return nil, errors.New(resp.Status)
			}
			return io.ReadAll(resp.Body)
		},
		Leaked: func(_ context.Context, token string) (bool, error) {
			s.mu.Lock()
			s.leaked = append(s.leaked, token)
			s.mu.Unlock()
			if s.meet != nil {
				s.meet.Done()
				s.meet.Wait()
			}
			return strings.HasPrefix(token, "up_live_"), s.fails
		},
	}))
	return s
}

func (s *site) post(id, signature, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/leaks/github", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	if id != "" {
		r.Header.Set("GITHUB-PUBLIC-KEY-IDENTIFIER", id)
	}
	if signature != "" {
		r.Header.Set("GITHUB-PUBLIC-KEY-SIGNATURE", signature)
	}
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return w
}

const report = `[{"token":"up_live_x","type":"up_key","url":"https://github.com/o/r/blob/a/b","source":"content"},
	{"token":"nothing","type":"up_key","url":"","source":"commit"}]`

func TestSignedReportIsAnswered(t *testing.T) {
	g := newGitHub(t)
	s := newSite(t, g)
	for range 2 {
		w := s.post(g.order[0], g.sign(g.order[0], report), report)
		var got []map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		want := []map[string]string{
			{"token_raw": "up_live_x", "token_type": "up_key", "label": "true_positive"},
			{"token_raw": "nothing", "token_type": "up_key", "label": "false_positive"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if g.asked != 1 {
		t.Errorf("the keys were read %d times", g.asked)
	}
}

// TestForgedLeakReport is attack 109: nothing is looked at, and every answer is the
// same, whether a token is real or not.
func TestForgedLeakReport(t *testing.T) {
	g := newGitHub(t)
	s := newSite(t, g)
	id := g.order[0]
	weak := g.newKey(elliptic.P384())
	stranger := newGitHub(t)
	stolen, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(report))
	raw, err := ecdsa.SignASN1(rand.Reader, stolen, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]bool{}
	for name, c := range map[string]struct{ id, signature, body string }{
		"no signature":         {id, "", report},
		"no identifier":        {"", g.sign(id, report), report},
		"nothing":              {"", "", report},
		"another body":         {id, g.sign(id, report), report + " "},
		"another key":          {id, base64.StdEncoding.EncodeToString(raw), report},
		"unknown identifier":   {stranger.order[0], stranger.sign(stranger.order[0], report), report},
		"another curve":        {weak, g.sign(weak, report), report},
		"no base64":            {id, "%%%", report},
		"garbage":              {id, base64.StdEncoding.EncodeToString([]byte("garbage")), report},
		"no JSON, unsigned":    {id, "", "{"},
		"no token, unsigned":   {id, "", `[]`},
		"other token unsigned": {id, "", `[{"token":"nothing"}]`},
	} {
		w := s.post(c.id, c.signature, c.body)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		answers[w.Body.String()] = true
	}
	if len(answers) != 1 || len(s.leaked) != 0 {
		t.Errorf("answers %v; looked at %d tokens", answers, len(s.leaked))
	}
}

func TestNewKeyOfGitHubIsFound(t *testing.T) {
	g := newGitHub(t)
	s := newSite(t, g)
	s.post(g.order[0], g.sign(g.order[0], report), report)
	id := g.newKey(elliptic.P256())
	if w := s.post(id, g.sign(id, report), report); w.Code != http.StatusUnauthorized {
		t.Errorf("within a minute: %d", w.Code)
	}
	s.now = start.Add(refetch)
	if w := s.post(id, g.sign(id, report), report); w.Code != http.StatusOK {
		t.Errorf("a minute later: %d", w.Code)
	}
	for i := range 50 {
		s.post(fmt.Sprint("made-up-", i), g.sign(id, report), report)
	}
	if g.asked != 2 {
		t.Errorf("made-up identifiers caused %d requests", g.asked-2)
	}
}

// TestKeyThatGitHubTookBack counts no longer than a day.
func TestKeyThatGitHubTookBack(t *testing.T) {
	g := newGitHub(t)
	s := newSite(t, g)
	old := g.order[0]
	s.post(old, g.sign(old, report), report)
	g.newKey(elliptic.P256())
	g.order = g.order[1:]
	s.now = start.Add(keepFor)
	if w := s.post(old, g.sign(old, report), report); w.Code != http.StatusUnauthorized {
		t.Errorf("%d", w.Code)
	}
}

func TestGitHubOrStoreAwayIsNoVerdict(t *testing.T) {
	g := newGitHub(t)
	s := newSite(t, g)
	g.away = true
	for range 2 {
		if w := s.post(g.order[0], g.sign(g.order[0], report), report); w.Code != http.StatusServiceUnavailable {
			t.Errorf("without keys: %d", w.Code)
		}
	}
	if g.asked != 1 {
		t.Errorf("%d requests in a minute", g.asked)
	}
	g.away = false
	s.now = start.Add(refetch)
	s.fails = errors.New("the database is away")
	if w := s.post(g.order[0], g.sign(g.order[0], report), report); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "database") {
		t.Errorf("without a store: %d %s", w.Code, w.Body)
	}
}

// TestSilentNodeHoldsUpAReport: sixteen findings are dealt with at once, each once.
func TestSilentNodeHoldsUpAReport(t *testing.T) {
	g := newGitHub(t)
	s := newSite(t, g)
	s.meet = &sync.WaitGroup{}
	s.meet.Add(atOnce)
	var all []string
	for i := range 2 * atOnce {
		all = append(all, fmt.Sprintf(`{"token":"up_live_%d"}`, i%atOnce))
	}
	body := "[" + strings.Join(all, ",") + "]"
	w := s.post(g.order[0], g.sign(g.order[0], body), body)
	if n := strings.Count(w.Body.String(), "true_positive"); w.Code != http.StatusOK || n != 2*atOnce || len(s.leaked) != atOnce {
		t.Errorf("%d, %d are ours, %d were looked at", w.Code, n, len(s.leaked))
	}
}

func TestReportsThatAreTooLargeOrNone(t *testing.T) {
	g := newGitHub(t)
	s := newSite(t, g)
	id := g.order[0]
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"a thousand and one": {"[" + strings.Repeat(`{"token":"x"},`, maxEntries) + `{"token":"x"}]`, http.StatusRequestEntityTooLarge},
		"a thousand":         {"[" + strings.Repeat(`{"token":"x"},`, maxEntries-1) + `{"token":"x"}]`, http.StatusOK},
		"two megabytes":      {"[" + strings.Repeat(" ", 2<<20) + "]", http.StatusRequestEntityTooLarge},
		"an object":          {`{"token":"x"}`, http.StatusBadRequest},
		"nothing":            {``, http.StatusBadRequest},
		"an empty array":     {`[]`, http.StatusOK},
	} {
		if w := s.post(id, g.sign(id, c.body), c.body); w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}
