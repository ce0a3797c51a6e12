package domains

import (
	"errors"
	"strings"
	"testing"
)

func TestNamesAreStoredInOneForm(t *testing.T) {
	for said, want := range map[string]string{
		"acme.example": "acme.example", "ACME.Example.": "acme.example", " acme.example ": "acme.example", "a.b.acme.example": "a.b.acme.example",
		"münchen.example": "xn--mnchen-3ya.example", "XN--MNCHEN-3YA.example": "xn--mnchen-3ya.example", "faß.example": "xn--fa-hia.example",
		"ａcme.example": "acme.example", "acme.co.uk": "acme.co.uk", "acme.test": "acme.test",
	} {
		if got, err := Name(said); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", said, got, err, want)
		}
	}
}

func TestNamesThatAreNoDomain(t *testing.T) {
	for _, said := range []string{
		"", "acme", ".", "a..example", "-a.example", "a-.example", "a b.example", "acme.example/x", "bob@acme.example", "192.0.2.7", "[::1]", "acme.123",
		"_dmarc.acme.example", "*.acme.example", "acme.example\x00", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 120) + "example", "xn--\u0000.example",
	} {
		if got, err := Name(said); !errors.Is(err, ErrNoDomain) {
			t.Errorf("%q: %q, %v", said, got, err)
		}
	}
}

// TestPublicMailDomainClaimed is the attack in which somebody gets the people of a
// public mail provider (TN-06).
func TestPublicMailDomainClaimed(t *testing.T) {
	for _, said := range []string{
		"gmail.com", "GMAIL.com.", "googlemail.com", "mail.gmail.com", "outlook.com", "outlook.de", "hotmail.co.uk", "yahoo.co.jp", "yahoo.com.br",
		"icloud.com", "proton.me", "gmx.de", "web.de", "yandex.ru", "qq.com", "163.com", "mailinator.com", "acme.onmicrosoft.com", "privaterelay.appleid.com",
	} {
		if _, err := Name(said); !errors.Is(err, ErrPublicMail) && !errors.Is(err, ErrPublicSuffix) {
			t.Errorf("%s: %v", said, err)
		}
	}
	for _, said := range []string{"notgmail.com", "gmail.acme.example", "outlookers.com", "yahoo-inc.acme.example"} {
		if _, err := Name(said); err != nil {
			t.Errorf("%s: %v", said, err)
		}
	}
}

// TestPublicSuffixClaimed is the attack in which somebody gets everybody below it.
func TestPublicSuffixClaimed(t *testing.T) {
	for _, said := range []string{"co.uk", "com.au", "gov.uk", "github.io", "blogspot.com", "shop.kawasaki.jp"} {
		if _, err := Name(said); !errors.Is(err, ErrPublicSuffix) {
			t.Errorf("%s: %v", said, err)
		}
	}
}
