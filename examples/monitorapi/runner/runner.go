package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Config is what a runner needs.
type Config struct {
	Server string // the authorization server: http://127.0.0.1:8080
	API    string // the monitoring API: http://127.0.0.1:8082
	Key    string // the API key
	Name   string // what the execution is called
	// Every is the time between two checks.
	Every time.Duration
	Out   io.Writer // what it does, in lines
	// Save keeps a successor of the key, before the old one is let go; nil, and where it
	// fails: it is kept in memory only.
	Save func(key string) error
}

// Why a runner stopped.
var (
	// ErrDead: the key is revoked or expired.
	ErrDead = errors.New("the API key works no more")
	errLost = errors.New("the stream of events ended")
)

// Runner makes checks.
type Runner struct {
	cfg  Config
	http *http.Client
	key  string
	who  identity
	// paused says why no checks are made; "": they are.
	paused string
	// due: the key has a successor that nobody is known to have fetched.
	due bool
	// passed: somebody else has the successor. The key is used until it ends.
	passed bool
	// next takes the place of key in the next life.
	next string
}

// identity is what the server says about the key.
type identity struct {
	Key    string `json:"key_id"`
	Tenant string `json:"tenant"`
}

// New returns a runner. It asks nobody.
func New(cfg Config) *Runner {
	cfg.Server, cfg.API = strings.TrimSuffix(cfg.Server, "/"), strings.TrimSuffix(cfg.API, "/")
	return &Runner{cfg: cfg, key: cfg.Key, http: &http.Client{}}
}

// Run makes checks until ctx is done (nil) or the key is dead ([ErrDead]). A server
// that is away for a while ends nothing.
func (r *Runner) Run(ctx context.Context) error {
	for {
		err := r.life(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrDead):
			r.say("stopped: %v", err)
			return err
		case err == nil:
			r.key, r.passed = r.next, false
			continue
		}
		r.say("no checks: %v; trying again", err)
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}

// life is a runner with one key: it ends when the key does, or when the connection to
// the server is lost. nil: there is a new key.
func (r *Runner) life(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := r.call(ctx, http.MethodGet, "/v1/auth/whoami", nil, &r.who); err != nil {
		return err
	}
	var execution struct {
		ID string `json:"id"`
	}
	own := "/v1/auth/keys/" + r.who.Key
	if err := r.call(ctx, http.MethodPost, own+"/executions", map[string]string{"name": r.cfg.Name}, &execution); err != nil {
		return err
	}
	// When the key is dead the server has ended it already.
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = r.call(end, http.MethodDelete, own+"/executions/"+execution.ID, nil, nil)
	}()
	events, err := r.listen(ctx, own+"/events")
	if err != nil {
		return err
	}
	r.paused, r.due = "", false
	r.say("checking %s as %s (%s)", r.who.Tenant, r.who.Key, execution.ID)
	return r.work(ctx, events)
}

// work makes checks, and does what the events say.
func (r *Runner) work(ctx context.Context, events <-chan event) error {
	every := time.NewTicker(r.cfg.Every)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, open := <-events:
			if !open {
				return errLost
			}
			if done, err := r.obey(ctx, e); done || err != nil {
				return err
			}
		case <-every.C:
			if r.due {
				if done, err := r.succeed(ctx); done || err != nil {
					return err
				}
			}
			if r.paused == "" {
				r.check(ctx)
			}
		}
	}
}

// obey does what an event says; done: this life is over.
func (r *Runner) obey(ctx context.Context, e event) (done bool, err error) {
	// Not only when it happens: it may have happened while nobody listened.
	r.due = e.State == "live" && e.Successor != "" && !r.passed
	switch e.name {
	case "revoked", "expired":
		return true, fmt.Errorf("%w: %s", ErrDead, why(e))
	case "quarantined":
		r.hold("the key is in quarantine")
	case "unknown":
		r.hold("the server cannot tell how the key is")
	case "state", "changed":
		if e.State == "live" {
			r.paused = ""
		}
	}
	if r.due {
		return r.succeed(ctx)
	}
	return false, nil
}

// why is what ended a key, with the reason where that says more.
func why(e event) string {
	if e.Reason == "" || e.Reason == e.name {
		return e.name
	}
	return e.name + " (" + e.Reason + ")"
}

func (r *Runner) hold(why string) {
	r.paused = why
	r.say("no checks: %s", why)
}

// succeed fetches the successor of the key, which is told once; done: here it is.
// Somebody else may have it: then this key is used until it ends. While it is on its
// way to a webhook, nobody knows yet: that is asked again with the next check.
func (r *Runner) succeed(ctx context.Context) (done bool, err error) {
	var next struct {
		ID     string `json:"id"`
		Secret string `json:"secret"`
	}
	err = r.call(ctx, http.MethodPost, "/v1/auth/keys/"+r.who.Key+"/successor", nil, &next)
	refused := (*refusal)(nil)
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusConflict:
		return false, nil
	case errors.As(err, &refused) && refused.Status == http.StatusGone:
		r.due, r.passed = false, true
		r.say("the key has a successor, which was handed to somebody else; this one is used until it ends")
		return false, nil
	case err != nil:
		return false, err
	}
	if r.cfg.Save != nil {
		if err := r.cfg.Save(next.Secret); err != nil {
			r.say("the successor is not kept: %v", err) // it is told once: it is used all the same
		}
	}
	r.next = next.Secret
	r.say("the key was rotated: going on as %s", next.ID)
	return true, nil
}

// check is one round: what a real runner would do here is look at the monitors.
func (r *Runner) check(ctx context.Context) {
	status, err := r.get(ctx, r.cfg.API+"/t/"+r.who.Tenant+"/monitors")
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.say("check: %v", err)
	default:
		r.say("check: the monitoring API says %d", status)
	}
}

func (r *Runner) say(format string, args ...any) { fmt.Fprintf(r.cfg.Out, format+"\n", args...) }

// pause waits; false: ctx is done.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
