package npmtest

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// formAction and hiddenField read the provider's own two forms, and no others.
var (
	formAction  = regexp.MustCompile(`<form[^>]* action="([^"]+)" method="post"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// maxForms is the number of pages between an authorization request and its answer:
// login and consent.
const maxForms = 2

// SignIn plays the person: it follows an authorization request at the provider,
// types the login, consents, and returns the redirect back to the client, without
// following it. The client needs a cookie jar.
func SignIn(client *http.Client, authorizeURL, login string) (*url.URL, error) {
	return SignInAs(client, authorizeURL, Person{Login: login})
}

// SignInAs is [SignIn] for somebody of whom more is to be said.
func SignInAs(client *http.Client, authorizeURL string, who Person) (*url.URL, error) {
	client = &http.Client{Transport: client.Transport, Jar: client.Jar, CheckRedirect: leaveHost(authorizeURL)}
	response, err := client.Get(authorizeURL)
	for range maxForms {
		if err != nil {
			return nil, err
		}
		if target, err := response.Location(); err == nil {
			return target, response.Body.Close()
		}
		if response, err = submit(client, response, who); err != nil {
			return nil, err
		}
	}
	target, err := response.Location()
	return target, errors.Join(err, response.Body.Close())
}

// leaveHost stops following redirects where they lead to another server.
func leaveHost(start string) func(*http.Request, []*http.Request) error {
	return func(next *http.Request, _ []*http.Request) error {
		if origin, err := url.Parse(start); err != nil || origin.Host != next.URL.Host {
			return http.ErrUseLastResponse
		}
		return nil
	}
}

func submit(client *http.Client, response *http.Response, who Person) (*http.Response, error) {
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	page := string(body)
	action := formAction.FindStringSubmatch(page)
	if action == nil {
		return nil, fmt.Errorf("npmtest: the provider answered %s with a page that has no form:\n%s", response.Status, page)
	}
	form := who.Form()
	for field := range slices.Values(hiddenField.FindAllStringSubmatch(page, -1)) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	target, err := response.Request.URL.Parse(html.UnescapeString(action[1]))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return client.Do(request)
}
