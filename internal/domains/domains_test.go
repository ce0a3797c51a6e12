package domains

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
)

const day = 24 * time.Hour

func TestDomainIsProvedByItsRecord(t *testing.T) {
	w := newWorld(t)
	d := w.claim(w.acme, "Acme.Example")
	if d.Name != "acme.example" || !d.VerifiedAt.IsZero() || len(d.Token) < 27 {
		t.Errorf("claimed: %+v", d)
	}
	if r := RecordOf(d); r.Name != "_watchgate-challenge.acme.example" || r.Value != "watchgate-verification="+d.Token {
		t.Errorf("%+v", r)
	}
	if _, err := w.claims.Verify(t.Context(), w.acme, "acme.example"); !errors.Is(err, ErrNotProved) {
		t.Errorf("without a record: %v", err)
	}
	w.zone.add(RecordOf(d).Name, "watchgate-verification="+w.claim(w.globex, "acme.example").Token)
	w.zone.add(RecordOf(d).Name, strings.Repeat("v=spf1 ", 200)) // longer than a datagram
	if _, err := w.claims.Verify(t.Context(), w.acme, "acme.example"); !errors.Is(err, ErrNotProved) {
		t.Errorf("with another tenant's record: %v", err)
	}
	w.zone.say(d)
	if got, err := w.claims.Verify(t.Context(), w.acme, "ACME.example."); err != nil || !got.VerifiedAt.Equal(start) || !got.CheckedAt.Equal(start) {
		t.Errorf("with the record: %+v, %v", got, err)
	}
	if owner, err := w.store.DomainOwner(t.Context(), "acme.example"); err != nil || owner.Tenant.ID != w.acme {
		t.Errorf("whose it is: %s, %v", owner.Tenant.ID, err)
	}
	if kinds := w.kinds(w.acme); !slices.Contains(kinds, "domain.claimed") || !slices.Contains(kinds, "domain.verified") {
		t.Errorf("the trail says %v", kinds)
	}
}

// TestDomainOfAnotherTenant is the attack in which a second tenant takes the people of
// a first: whoever proves it first has it, until it is lost.
func TestDomainOfAnotherTenant(t *testing.T) {
	w := newWorld(t)
	w.prove(w.acme, "acme.example")
	theirs := w.claim(w.globex, "acme.example")
	w.zone.say(theirs)
	_, err := w.claims.Verify(t.Context(), w.globex, "acme.example")
	if !errors.Is(err, ErrTaken) || strings.Contains(err.Error(), string(w.acme)) {
		t.Errorf("the second: %v", err)
	}
	if owner, err := w.store.DomainOwner(t.Context(), "acme.example"); err != nil || owner.Tenant.ID != w.acme {
		t.Errorf("whose it is: %s, %v", owner.Tenant.ID, err)
	}
	must(t, w.claims.Remove(t.Context(), w.acme, w.get(w.acme, "acme.example")))
	if _, err := w.claims.Verify(t.Context(), w.globex, "acme.example"); err != nil {
		t.Errorf("once it was given up: %v", err)
	}
}

func TestDomainWhoseRecordIsGoneIsLostAfterSevenDays(t *testing.T) {
	w := newWorld(t)
	d := w.prove(w.acme, "acme.example")
	w.zone.forget(d)
	w.tick(time.Hour)
	if got := w.get(w.acme, "acme.example"); !got.FailingSince.IsZero() {
		t.Error("it was looked at before its time")
	}
	w.tick(day)
	if got := w.get(w.acme, "acme.example"); got.FailingSince.IsZero() || got.VerifiedAt.IsZero() {
		t.Errorf("missing for a moment: %+v", got)
	}
	for range 6 {
		w.tick(day)
	}
	if got := w.get(w.acme, "acme.example"); got.VerifiedAt.IsZero() {
		t.Error("it was lost too early")
	}
	w.tick(day)
	if _, err := w.claims.Get(t.Context(), w.acme, "acme.example"); !errors.Is(err, ErrUnknown) {
		t.Errorf("after seven days: %v", err)
	}
	want := []string{string(w.acme) + " " + string(mail.DomainFailing) + " acme.example", string(w.acme) + " " + string(mail.DomainLost) + " acme.example"}
	if !slices.Equal(w.told, want) {
		t.Errorf("told %v", w.told)
	}
	kinds := w.kinds(w.acme)
	if i, j := slices.Index(kinds, "domain.failing"), slices.Index(kinds, "domain.lost"); i < 0 || j < i {
		t.Errorf("the trail says %v", kinds)
	}
	w.prove(w.globex, "acme.example")
}

func TestDomainWhoseRecordComesBackStays(t *testing.T) {
	w := newWorld(t)
	d := w.prove(w.acme, "acme.example")
	w.zone.forget(d)
	w.tick(day)
	w.zone.say(d)
	w.tick(day)
	if got := w.get(w.acme, "acme.example"); !got.FailingSince.IsZero() {
		t.Errorf("%+v", got)
	}
	w.zone.forget(d)
	w.tick(day)
	w.zone.say(d)
	if got, err := w.claims.Verify(t.Context(), w.acme, "acme.example"); err != nil || !got.FailingSince.IsZero() {
		t.Errorf("looked at at once: %+v, %v", got, err)
	}
}

// TestNameServersThatAreDownTakeNoDomain: an attacker who keeps them from answering
// wins nothing.
func TestNameServersThatAreDownTakeNoDomain(t *testing.T) {
	w := newWorld(t)
	d := w.prove(w.acme, "acme.example")
	w.zone.forget(d)
	for _, rcode := range []int{dns.RcodeServerFailure, dns.RcodeRefused, dns.RcodeNotImplemented} {
		w.zone.fail(rcode)
		for range 10 {
			w.tick(day)
		}
	}
	got := w.get(w.acme, "acme.example")
	if !got.FailingSince.IsZero() || len(w.told) != 0 || !got.CheckedAt.Equal(w.now) {
		t.Errorf("%+v, told %v", got, w.told)
	}
	if _, err := w.claims.Verify(t.Context(), w.acme, "acme.example"); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("asked at once: %v", err)
	}
	// One that fails already is not lost by silence.
	w.zone.fail(dns.RcodeSuccess)
	w.tick(day)
	w.zone.fail(dns.RcodeServerFailure)
	for range 10 {
		w.tick(day)
	}
	if got := w.get(w.acme, "acme.example"); got.FailingSince.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestDomainThatAnOperatorVouchedForIsNotLookedFor(t *testing.T) {
	w := newWorld(t)
	d := storage.Domain{Name: "acme.example", Connection: w.con[w.acme], VerifiedAt: start, CreatedAt: start, ByOperator: true}
	must(t, w.store.Tenant(w.acme).PutDomain(t.Context(), d, event("domain.verified")))
	w.tick(30 * day)
	if _, err := w.claims.Verify(t.Context(), w.acme, "acme.example"); err != nil || len(w.zone.asked) != 0 {
		t.Errorf("%v, asked %v", err, w.zone.asked)
	}
	w.zone.say(w.claim(w.globex, "acme.example"))
	if _, err := w.claims.Verify(t.Context(), w.globex, "acme.example"); !errors.Is(err, ErrTaken) {
		t.Errorf("another tenant: %v", err)
	}
}

func TestClaimsThatAreRefused(t *testing.T) {
	w := newWorld(t)
	w.claim(w.acme, "acme.example")
	for name, c := range map[string]struct {
		said string
		con  storage.ConnectionID
		want error
	}{
		"twice":                       {"ACME.example", w.con[w.acme], ErrClaimed},
		"another tenant's connection": {"b.example", w.con[w.globex], ErrNoConnection},
		"no domain":                   {"acme", w.con[w.acme], ErrNoDomain},
		"public mail":                 {"gmail.com", w.con[w.acme], ErrPublicMail},
		"public suffix":               {"co.uk", w.con[w.acme], ErrPublicSuffix},
	} {
		if _, err := w.claims.Claim(t.Context(), w.acme, c.said, c.con); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"nosuch.example", "no domain", ""} {
		if _, err := w.claims.Verify(t.Context(), w.acme, name); !errors.Is(err, ErrUnknown) {
			t.Errorf("verify %q: %v", name, err)
		}
	}
	if err := w.claims.Remove(t.Context(), w.globex, storage.Domain{Name: "acme.example", Version: 1}); !errors.Is(err, ErrUnknown) {
		t.Errorf("another tenant's: %v", err)
	}
}

func TestDomainIsSentElsewhereAndRequired(t *testing.T) {
	w := newWorld(t)
	w.prove(w.acme, "acme.example")
	got, err := w.claims.Change(t.Context(), w.acme, "acme.example", Change{SSORequired: new(true)})
	if err != nil || !got.SSORequired || got.Connection != w.con[w.acme] || got.VerifiedAt.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.claims.Change(t.Context(), w.acme, "acme.example", Change{Connection: new(w.con[w.globex])}); !errors.Is(err, ErrNoConnection) {
		t.Errorf("another tenant's connection: %v", err)
	}
	if owner, err := w.store.DomainOwner(t.Context(), "acme.example"); err != nil || !owner.SSORequired {
		t.Errorf("%+v, %v", owner.SSORequired, err)
	}
}

func TestTokensAreOneOnly(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		token := newToken()
		if seen[token] {
			t.Fatal("the same token twice")
		}
		seen[token] = true
	}
}
