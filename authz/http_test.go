package authz_test

import (
	"net/http"
	"net/http/httptest"
)

func get(path string, edit ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest("GET", path, nil)
	for _, e := range edit {
		e(r)
	}
	return r
}
