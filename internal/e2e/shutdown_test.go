package e2e

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/watchgate/watchgate/internal/pgtest"
)

// slow is a request whose body has not been sent yet.
type slow struct {
	net.Conn
	read *bufio.Reader
	body string
}

// begin sends the header of a token request, and returns when its handler waits
// for the body: that is what 100 Continue says.
func (s *site) begin(t *testing.T) slow {
	t.Helper()
	host, body := strings.TrimPrefix(s.Issuer, "http://"), machineForm().Encode()
	r := slow{Conn: must[net.Conn](t)(net.Dial("tcp", host)), body: body}
	t.Cleanup(func() { r.Close() })
	m := s.machine["acme"]
	fmt.Fprintf(r, "POST /oauth2/token HTTP/1.1\r\nHost: %s\r\nAuthorization: Basic %s\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n",
		host, base64.StdEncoding.EncodeToString([]byte(m.id+":"+m.secret)), len(body))
	r.read = bufio.NewReader(r)
	res := must[*http.Response](t)(http.ReadResponse(r.read, nil))
	if res.StatusCode != http.StatusContinue {
		t.Fatalf("status %d before the body", res.StatusCode)
	}
	return r
}

// finish sends the body and reads the answer.
func (r slow) finish(t *testing.T) answer {
	t.Helper()
	must[int](t)(io.WriteString(r, r.body))
	res := must[*http.Response](t)(http.ReadResponse(r.read, nil))
	defer res.Body.Close()
	return answer{res.StatusCode, res.Header, string(must[[]byte](t)(io.ReadAll(res.Body)))}
}

func TestRequestsInFlightAreFinishedAtTheEnd(t *testing.T) {
	for engine, database := range map[string]string{"SQLite": onSQLite(t), "PostgreSQL": pgtest.Database(t)} {
		t.Run(engine, func(t *testing.T) {
			s := newSite(t, database)
			_, node := s.only(t)
			begun := []slow{s.begin(t), s.begin(t), s.begin(t)}
			ended := make(chan error, 1)
			go func() { ended <- node.Stop() }()
			await(t, "the listener to close", func() bool {
				c, err := net.Dial("tcp", strings.TrimPrefix(s.Issuer, "http://"))
				if err == nil {
					c.Close()
				}
				return err != nil
			})
			select {
			case err := <-ended:
				t.Fatalf("ended with requests in flight: %v", err)
			default:
			}
			var issued []string
			for _, r := range begun {
				issued = append(issued, tokensOf(t, r.finish(t)).Access)
			}
			noError(t, <-ended) // exit status 0
			f, _ := s.only(t)
			for _, token := range issued {
				if !f.isActive(t, s.api, token) {
					t.Error("a token that was issued during the shutdown is lost")
				}
			}
		})
	}
}
