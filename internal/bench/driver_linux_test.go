package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestDriverSendsEachRequestInTurn(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.PostFormValue("token")]++
		mu.Unlock()
		w.Header().Set("Content-Length", "3015")
		fmt.Fprint(w, `{"active":true}`, strings.Repeat(" ", 3000))
	}))
	defer srv.Close()
	var requests [][]byte
	for i := range 5 {
		requests = append(requests, post(srv.URL, "/", credentials{}, url.Values{"token": {fmt.Sprint(i)}}))
	}
	d, err := newDriver(srv.URL, 3, requests, `{"active":true`)
	if err != nil {
		t.Fatal(err)
	}
	l, err := d.run(t.Context(), time.Minute, 20)
	if err != nil || len(l.latencies) != 20 {
		t.Fatalf("%d answers, %v; want 20", len(l.latencies), err)
	}
	for i := range 5 {
		if n := asked[fmt.Sprint(i)]; n != 4 {
			t.Errorf("request %d was sent %d times, want 4", i, n)
		}
	}
}

func TestDriverTakesNoOtherAnswerThanTheWanted(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"inactive": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"active":false}`) },
		"refused": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"active":true}`, http.StatusServiceUnavailable)
		},
		"cut short": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(h)
			defer srv.Close()
			d, err := newDriver(srv.URL, 1, [][]byte{post(srv.URL, "/", credentials{}, nil)}, `{"active":true`)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.run(t.Context(), time.Minute, 1); err == nil {
				t.Error("the answer counted")
			}
		})
	}
}

func TestProcessorTimeOfThisProcess(t *testing.T) {
	spent := func() time.Duration {
		d, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := spent()
	for n := 0; spent() == first; n++ {
		if n > 1_000_000 {
			t.Fatal("a million readings took no time")
		}
	}
}
