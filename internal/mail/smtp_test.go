package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/watchgate/watchgate/internal/mail"
)

// sender is an SMTP sender to a server, by whose certificate authority it is known.
func sender(t *testing.T, s *mailServer, change func(*mail.SMTPConfig)) *mail.SMTP {
	t.Helper()
	cfg := mail.SMTPConfig{
		Address: s.address, TLS: mail.StartTLS, User: smtpUser, Password: smtpPassword,
		From: "Wächter <no-reply@auth.example.com>", Roots: s.roots, Timeout: 20 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	out, err := mail.NewSMTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func withoutTLS(c *mail.SMTPConfig) { c.TLS, c.User, c.Password = mail.NoTLS, "", "" }

func TestMailArrivesWhole(t *testing.T) {
	for name, test := range map[string]struct {
		kind   serverKind
		change func(*mail.SMTPConfig)
		user   string
		tls    bool
	}{
		"STARTTLS":     {serverKind{needsAuth: true}, nil, smtpUser, true},
		"implicit TLS": {serverKind{needsAuth: true, implicit: true}, func(c *mail.SMTPConfig) { c.TLS = mail.ImplicitTLS }, smtpUser, true},
		"no TLS":       {serverKind{plain: true}, withoutTLS, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			server := newMailServer(t, test.kind)
			e := envelope("eml_1", "dora@small.example")
			e.Subject = "Ünïcödé of Acme"
			if err := sender(t, server, test.change).Send(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			got := server.mails()
			if len(got) != 1 || got[0].from != "no-reply@auth.example.com" || got[0].to != e.To || got[0].user != test.user || got[0].tls != test.tls {
				t.Fatalf("%+v", got)
			}
			checkWhole(t, e, got[0].data)
		})
	}
}

// checkWhole parses a mail as its reader does.
func checkWhole(t *testing.T, e mail.Envelope, data string) {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != e.Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	from, err := m.Header.AddressList("From")
	if err != nil || from[0].Name != "Wächter" || from[0].Address != "no-reply@auth.example.com" {
		t.Errorf("from %v, %v", from, err)
	}
	if date, err := m.Header.Date(); err != nil || !date.Equal(e.Date) {
		t.Errorf("date %v, %v", date, err)
	}
	for header, want := range map[string]string{
		"Message-ID": "<" + string(e.ID) + "@auth.example.com>", "Auto-Submitted": "auto-generated", "To": "<" + e.To + ">", "User-Agent": "", "X-Mailer": "",
	} {
		if got := m.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []struct{ kind, body string }{{"text/plain", e.Text}, {"text/html", e.HTML}} {
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		kind, params, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil || kind != want.kind || params["charset"] != "UTF-8" || strings.ReplaceAll(string(body), "\r\n", "\n") != want.body {
			t.Errorf("%s %v: %q, %v", kind, params, body, err)
		}
	}
}

func TestDomainInUnicodeIsDialledInASCII(t *testing.T) {
	server := newMailServer(t, serverKind{plain: true})
	if err := sender(t, server, withoutTLS).Send(t.Context(), envelope("eml_1", "dora@bücher.example")); err != nil {
		t.Fatal(err)
	}
	if got := server.mails(); got[0].to != "dora@xn--bcher-kva.example" {
		t.Errorf("to %s", got[0].to)
	}
}

func reply(code int, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
}

func TestRefusalForGoodIsToldFromOneForNow(t *testing.T) {
	for name, test := range map[string]struct {
		at   string
		say  *smtp.SMTPError
		want bool // for good
	}{
		"no such user":         {"RCPT", reply(550, "no such user"), true},
		"greylisted":           {"RCPT", reply(451, "come back later"), false},
		"mailbox full":         {"RCPT", reply(452, "mailbox full"), false},
		"sender not wanted":    {"MAIL", reply(553, "not allowed"), true},
		"server busy":          {"MAIL", reply(421, "too busy"), false},
		"content not wanted":   {"DATA", reply(554, "looks like spam"), true},
		"content later":        {"DATA", reply(451, "scanner is away"), false},
		"the password changed": {"AUTH", reply(535, "bad credentials"), false},
		"wants a password":     {"MAIL", reply(530, "authentication required"), false},
	} {
		t.Run(name, func(t *testing.T) {
			server := newMailServer(t, serverKind{})
			server.on(test.at, test.say)
			err := sender(t, server, nil).Send(t.Context(), envelope("eml_1", "dora@small.example"))
			if err == nil || errors.Is(err, mail.ErrRefused) != test.want {
				t.Errorf("%v, want a refusal for good: %v", err, test.want)
			}
			if !strings.Contains(fmt.Sprint(err), test.say.Message) {
				t.Errorf("the cause is gone: %v", err)
			}
			server.on(test.at, nil)
			if err := sender(t, server, nil).Send(t.Context(), envelope("eml_1", "dora@small.example")); err != nil || len(server.mails()) != 1 {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestServerThatQuotesTheMailGetsNothingIntoTheLog(t *testing.T) {
	server := newMailServer(t, serverKind{})
	server.on("DATA", reply(554, "spam: "+secretLink+" to <dora@small.example> "+smtpPassword+" wglk%5FSecretOfTheLink\x1b[31m"))
	err := sender(t, server, nil).Send(t.Context(), envelope("eml_1", "dora@small.example"))
	if said := fmt.Sprint(err); strings.Contains(said, "Secret") || strings.Contains(said, "dora@") || strings.Contains(said, "\x1b") || !strings.Contains(said, "554") {
		t.Errorf("the cause is %q", said)
	}
}

func TestPlannedRetriesOverARealServer(t *testing.T) {
	w := newWorld(t)
	server := newMailServer(t, serverKind{})
	server.on("RCPT", reply(450, "greylisted"))
	b := w.box(sender(t, server, nil))
	id := w.queue(b, signInLink("dora@small.example"))
	w.must(b.Tick(t.Context()))
	if w.row(id).Outcome != "" || len(server.mails()) != 0 {
		t.Errorf("%+v", w.row(id))
	}
	server.on("RCPT", nil)
	w.clock.pass(10 * time.Second)
	w.must(b.Tick(t.Context()))
	if w.row(id).Outcome != "sent" || len(server.mails()) != 1 || !strings.Contains(server.mails()[0].data, "Message-ID: <"+string(id)+"@auth.example.com>") {
		t.Errorf("%+v, %v", w.row(id), server.mails())
	}
	server.on("RCPT", reply(550, "no such user"))
	other := w.queue(b, signInLink("nobody@small.example"))
	w.must(b.Tick(t.Context()))
	if w.row(other).Outcome != "refused" {
		t.Errorf("%+v", w.row(other))
	}
}

func TestDowngradeAttackServerWithoutSTARTTLSGetsNothing(t *testing.T) {
	server := newMailServer(t, serverKind{plain: true, insecure: true})
	err := sender(t, server, nil).Send(t.Context(), envelope("eml_1", "dora@small.example"))
	if err == nil || errors.Is(err, mail.ErrRefused) {
		t.Errorf("%v", err)
	}
	if heard := server.commands(); len(heard) != 0 {
		t.Errorf("the server heard %v", heard)
	}
}

func TestCertificateOfAnotherHostIsRefused(t *testing.T) {
	for name, change := range map[string]func(*mail.SMTPConfig){
		"STARTTLS": nil,
		"implicit": func(c *mail.SMTPConfig) { c.TLS = mail.ImplicitTLS },
	} {
		t.Run(name, func(t *testing.T) {
			server := newMailServer(t, serverKind{host: "mail.other.test", implicit: change != nil})
			err := sender(t, server, change).Send(t.Context(), envelope("eml_1", "dora@small.example"))
			if err == nil || errors.Is(err, mail.ErrRefused) || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%v", err)
			}
			if heard := server.commands(); len(heard) != 0 {
				t.Errorf("the server heard %v", heard)
			}
		})
	}
}

func TestCertificateOfAnUnknownAuthorityIsRefused(t *testing.T) {
	server := newMailServer(t, serverKind{})
	_, others := certificateFor(t, "")
	err := sender(t, server, func(c *mail.SMTPConfig) { c.Roots = others }).Send(t.Context(), envelope("eml_1", "dora@small.example"))
	if err == nil || len(server.commands()) != 0 {
		t.Errorf("%v, the server heard %v", err, server.commands())
	}
}

func TestPasswordIsNeverSentWithoutTLS(t *testing.T) {
	_, err := mail.NewSMTP(mail.SMTPConfig{Address: "localhost:25", TLS: mail.NoTLS, User: smtpUser, Password: smtpPassword, From: "a@b.example"})
	if err == nil || strings.Contains(err.Error(), smtpPassword) {
		t.Errorf("%v", err)
	}
	if s := fmt.Sprintf("%v %+v %#v", mail.SMTPConfig{Password: smtpPassword}, mail.SMTPConfig{Password: smtpPassword}, mail.SMTPConfig{Password: smtpPassword}); strings.Contains(s, "horse") {
		t.Error(s)
	}
}

func TestHeaderInjection(t *testing.T) {
	server := newMailServer(t, serverKind{plain: true})
	s := sender(t, server, withoutTLS)
	for name, e := range map[string]mail.Envelope{
		"address":        {ID: "eml_1", To: "dora@small.example\r\nBcc: mallory@evil.example", Subject: "x"},
		"two addresses":  {ID: "eml_1", To: "dora@small.example, mallory@evil.example", Subject: "x"},
		"subject":        {ID: "eml_1", To: "dora@small.example", Subject: "x\r\nBcc: mallory@evil.example"},
		"subject, LF":    {ID: "eml_1", To: "dora@small.example", Subject: "x\nBcc: mallory@evil.example"},
		"subject, CR":    {ID: "eml_1", To: "dora@small.example", Subject: "x\rBcc: mallory@evil.example"},
		"a command":      {ID: "eml_1", To: "dora@small.example>\r\nRCPT TO:<mallory@evil.example", Subject: "x"},
		"a quoted break": {ID: "eml_1", To: "\"a\r\nb\"@small.example", Subject: "x"},
	} {
		if err := s.Send(t.Context(), e); !errors.Is(err, mail.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if heard := server.commands(); len(heard) != 0 {
		t.Errorf("the server heard %v", heard)
	}
}

func TestLineOfOneDotDoesNotEndAMail(t *testing.T) {
	server := newMailServer(t, serverKind{plain: true})
	e := envelope("eml_1", "dora@small.example")
	e.Text = "one\n.\nMAIL FROM:<mallory@evil.example>\n.\ntwo\n"
	if err := sender(t, server, withoutTLS).Send(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if heard := server.commands(); !slices.Equal(heard, []string{"MAIL", "RCPT", "DATA"}) || !strings.Contains(server.mails()[0].data, "two") {
		t.Errorf("the server heard %v", heard)
	}
}

func TestServerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	err = sender(t, &mailServer{address: address}, nil).Send(t.Context(), envelope("eml_1", "dora@small.example"))
	if err == nil || errors.Is(err, mail.ErrRefused) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v", err)
	}
}

func TestServerThatSaysNothing(t *testing.T) {
	ended := make(chan error, 1)
	address := rawServer(t, func(c net.Conn) {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	})
	s := sender(t, &mailServer{address: address}, func(c *mail.SMTPConfig) { c.Timeout = 50 * time.Millisecond })
	err := s.Send(t.Context(), envelope("eml_1", "dora@small.example"))
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mail.ErrRefused) {
		t.Errorf("%v", err)
	}
	<-ended // nothing is left open
}

func TestServerThatFallsSilentInTheMiddle(t *testing.T) {
	ended := make(chan error, 1)
	address := rawServer(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 mail.test\r\n")
		_, err := io.Copy(io.Discard, c)
		ended <- err
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := sender(t, &mailServer{address: address}, nil).Send(ctx, envelope("eml_1", "dora@small.example")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	<-ended
}

func TestServerThatNeverStopsTalking(t *testing.T) {
	ended := make(chan int64, 1)
	address := rawServer(t, func(c net.Conn) {
		n, _ := io.Copy(c, io.LimitReader(endless{}, 1<<30))
		ended <- n
	})
	err := sender(t, &mailServer{address: address}, nil).Send(t.Context(), envelope("eml_1", "dora@small.example"))
	if err == nil || !strings.Contains(err.Error(), "too much") {
		t.Errorf("%v", err)
	}
	if n := <-ended; n >= 1<<30 {
		t.Errorf("%d bytes were listened to", n)
	}
}

// endless is a greeting without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	return copy(p, bytes.Repeat([]byte("220-welcome\r\n"), 1+len(p)/13)), nil
}

// hangsUp ends a connection when the server has taken the mail.
type hangsUp struct{ net.Conn }

func (h hangsUp) Write(p []byte) (int, error) {
	n, err := h.Conn.Write(p)
	if bytes.Contains(p, []byte("250 2.0.0 OK: queued")) {
		_ = h.Close()
	}
	return n, err
}

func TestMailThatWasTakenIsSentWhateverComesAfterwards(t *testing.T) {
	server := newMailServer(t, serverKind{plain: true, wrap: func(c net.Conn) net.Conn { return hangsUp{c} }})
	if err := sender(t, server, withoutTLS).Send(t.Context(), envelope("eml_1", "dora@small.example")); err != nil {
		t.Errorf("%v: it would be sent again", err)
	}
	if len(server.mails()) != 1 {
		t.Errorf("%v", server.mails())
	}
}

func TestResponseInjectionBeforeTLSIsNotBelieved(t *testing.T) {
	var heard bytes.Buffer
	address := rawServer(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 mail.test\r\n")
		b := make([]byte, 1024)
		_, _ = c.Read(b) // EHLO
		_, _ = io.WriteString(c, "250-mail.test\r\n250 STARTTLS\r\n")
		_, _ = c.Read(b) // STARTTLS
		_, _ = io.WriteString(c, "220 go\r\n250-mail.test\r\n250 AUTH PLAIN\r\n235 in\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n")
		_, _ = io.Copy(&heard, c)
	})
	s := sender(t, &mailServer{address: address}, func(c *mail.SMTPConfig) { c.Timeout = 200 * time.Millisecond })
	if err := s.Send(t.Context(), envelope("eml_1", "dora@small.example")); err == nil {
		t.Error("a mail was sent to nobody")
	}
}

func TestConfigurationThatCannotWork(t *testing.T) {
	good := mail.SMTPConfig{Address: "smtp.example.com:587", From: "no-reply@auth.example.com"}
	if _, err := mail.NewSMTP(good); err != nil {
		t.Errorf("%+v: %v", good, err)
	}
	for name, change := range map[string]func(*mail.SMTPConfig){
		"no port":                 func(c *mail.SMTPConfig) { c.Address = "smtp.example.com" },
		"no host":                 func(c *mail.SMTPConfig) { c.Address = ":25" },
		"a port that is none":     func(c *mail.SMTPConfig) { c.Address = "smtp.example.com:smtp" },
		"a socket":                func(c *mail.SMTPConfig) { c.Address = "unix:///run/smtp" },
		"no sender":               func(c *mail.SMTPConfig) { c.From = "" },
		"a sender with a break":   func(c *mail.SMTPConfig) { c.From = "a@b.example\r\nBcc: c@d.example" },
		"TLS that does not exist": func(c *mail.SMTPConfig) { c.TLS = "opportunistic" },
		"a user and no password":  func(c *mail.SMTPConfig) { c.User = "x" },
	} {
		cfg := good
		change(&cfg)
		if _, err := mail.NewSMTP(cfg); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
