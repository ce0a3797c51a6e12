package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/watchgate/watchgate/internal/directory"
	"github.com/watchgate/watchgate/internal/walk"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
)

const (
	toldApps    = 200
	toldAfter   = 100 * time.Millisecond // each app answers
	signOuts    = 5
	toldOutside = 30 * time.Second
	// toldHosts are the destinations of the apps. One destination gets 200 requests at
	// once and 50 more in each second: turns that follow each other would be measured
	// together.
	toldHosts = 4
)

// measureSigningOut times from a person's sign-out until the last of the apps has
// answered that it was told (OpenID Connect Back-Channel Logout), in turns with one app.
func measureSigningOut(ctx context.Context, b *bench) error {
	store, err := sqlstore.Open(ctx, sqlstore.Config{DSN: b.site.database})
	if err != nil {
		return err
	}
	defer store.Close()
	listeners, err := listenApps()
	if err != nil {
		return err
	}
	defer listeners.close()
	apps, err := listeners.register(ctx, b.site.directory(store))
	if err != nil {
		return err
	}
	if err := b.site.approve(ctx, apps); err != nil {
		return err
	}
	var one, all []time.Duration
	for range signOuts {
		for _, turn := range []struct {
			apps []credentials
			took *[]time.Duration
		}{{apps[:1], &one}, {apps, &all}} {
			took, err := b.site.signOutOf(ctx, listeners, turn.apps)
			if err != nil {
				return err
			}
			*turn.took = append(*turn.took, took)
		}
	}
	b.figures.add(fmt.Sprintf("back-channel logout to %d apps that answer in %s each", toldApps, toldAfter), float64(median(all).Milliseconds()), "ms",
		float64(median(one).Milliseconds()), "one such app", "<= 2000 ms")
	return nil
}

// signOutOf signs a person in at apps, and out, and returns how long it takes until all
// apps have answered.
func (s *site) signOutOf(ctx context.Context, l *listeners, apps []credentials) (time.Duration, error) {
	browser := walker()
	if err := s.atApps(ctx, browser, apps); err != nil {
		return 0, err
	}
	p, err := browser.Get(ctx, s.deployment.Issuer+"/oauth2/logout")
	if err != nil {
		return 0, err
	}
	told := l.expect(apps)
	began := time.Now()
	if _, err := p.Press(ctx, "logout-confirm", nil); err != nil {
		return 0, err
	}
	timer := time.NewTimer(toldOutside)
	defer timer.Stop()
	select {
	case last := <-told:
		return last.Sub(began), nil
	case <-timer.C:
		return 0, fmt.Errorf("%d of %d apps were not told in %s", l.missing(), len(apps), toldOutside)
	}
}

// toldOf is the person of whom the apps are told.
const toldOf = "alice@acme.test"

// approve lets the person approve every app, so that they are not asked again.
func (s *site) approve(ctx context.Context, apps []credentials) error {
	browser := walker()
	for _, c := range apps {
		if err := s.enter(ctx, browser, c, toldOf); err != nil {
			return err
		}
	}
	return nil
}

// atApps signs the person in and gets tokens for every app in that session.
func (s *site) atApps(ctx context.Context, browser *walk.Browser, apps []credentials) error {
	if err := s.enter(ctx, browser, apps[0], toldOf); err != nil {
		return err
	}
	w, err := dial(s.node.URL)
	if err != nil {
		return err
	}
	defer w.conn.Close()
	cookie := s.cookies(browser)
	for _, c := range apps {
		a := app{site: s, client: c, cookie: cookie}
		if _, err := a.flow(w); err != nil {
			return err
		}
	}
	return nil
}

// listeners are the apps' ends: whoever is told answers after a while.
type listeners struct {
	servers []*http.Server
	hosts   []string

	mu      sync.Mutex
	waiting map[string]bool
	told    chan time.Time
}

func listenApps() (*listeners, error) {
	l := &listeners{}
	for range toldHosts {
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			l.close()
			return nil, err
		}
		server := &http.Server{Handler: l, ReadHeaderTimeout: time.Second}
		l.servers, l.hosts = append(l.servers, server), append(l.hosts, socket.Addr().String())
		go func() { _ = server.Serve(socket) }()
	}
	return l, nil
}

func (l *listeners) close() {
	for _, s := range l.servers {
		s.Close()
	}
}

// register adds the apps as an operator does.
func (l *listeners) register(ctx context.Context, d *directory.Directory) ([]credentials, error) {
	var all []credentials
	for i := range toldApps {
		id := fmt.Sprintf("bench-told-%d", i)
		made, err := d.CreateClient(ctx, storage.Client{
			ID: storage.ClientID(id), Name: "Told", AuthMethod: storage.AuthBasic, RedirectURIs: []string{redirectURI},
			GrantTypes:           []string{storage.GrantAuthorizationCode, storage.GrantRefreshToken},
			Scopes:               []string{"openid", "offline_access", "monitor:read"},
			BackchannelLogoutURI: "http://" + l.hosts[i%toldHosts] + "/" + id,
		})
		if err != nil {
			return nil, err
		}
		all = append(all, credentials{made.ID, made.Secret})
	}
	return all, nil
}

// expect returns where the moment will be told at which the last of the apps answers.
func (l *listeners) expect(apps []credentials) <-chan time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting, l.told = map[string]bool{}, make(chan time.Time, 1)
	for _, a := range apps {
		l.waiting["/"+a.ID] = true
	}
	return l.told
}

func (l *listeners) missing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// ServeHTTP is an app that is told.
func (l *listeners) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.PostFormValue("logout_token") == "" {
		http.Error(w, "no logout token", http.StatusBadRequest)
		return
	}
	timer := time.NewTimer(toldAfter)
	defer timer.Stop()
	<-timer.C
	w.WriteHeader(http.StatusOK)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.waiting[r.URL.Path] {
		return
	}
	if delete(l.waiting, r.URL.Path); len(l.waiting) == 0 {
		l.told <- time.Now()
	}
}
