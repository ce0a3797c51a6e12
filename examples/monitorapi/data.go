package monitorapi

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Monitor is something that is checked.
type Monitor struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Target    string    `json:"target"`
	State     string    `json:"state"` // up, degraded or down
	LastCheck time.Time `json:"last_check"`
}

// Alert says that a monitor needs somebody.
type Alert struct {
	ID        string    `json:"id"`
	Monitor   string    `json:"monitor"` // its id
	Message   string    `json:"message"`
	State     string    `json:"state"` // open, acknowledged or closed
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by,omitempty"` // the token's sub
}

// Check is one run of a monitor.
type Check struct {
	Monitor    string    `json:"monitor"` // its id
	At         time.Time `json:"at"`
	Result     string    `json:"result"` // passed, slow or failed
	DurationMS int       `json:"duration_ms"`
}

// Settings are how a tenant is monitored.
type Settings struct {
	IntervalSeconds int    `json:"interval_seconds"` // 10 to 86400
	NotifyEmail     string `json:"notify_email"`
}

// maxAlerts bounds what a tenant can fill memory with; older ones go.
const maxAlerts = 500

// tenantData is everything of one tenant. It is reached by the tenant's slug
// alone, so that no call can name another one's object.
type tenantData struct {
	mu       sync.Mutex
	monitors []Monitor
	alerts   []Alert // newest first
	settings Settings
	next     int
}

// estate is the data of all tenants, in memory.
type estate struct {
	now func() time.Time
	mu  sync.Mutex
	of  map[string]*tenantData
}

func newEstate(now func() time.Time) *estate {
	e := &estate{now: now, of: map[string]*tenantData{}}
	e.add("acme",
		Monitor{ID: "mon_1", Name: "Checkout", Target: "https://shop.acme.test/checkout", State: "up"},
		Monitor{ID: "mon_2", Name: "Public API", Target: "https://api.acme.test/health", State: "degraded"},
		Monitor{ID: "mon_3", Name: "Mail relay", Target: "smtp.acme.test:587", State: "down"},
	)
	e.add("globex",
		Monitor{ID: "mon_1", Name: "Reactor console", Target: "https://console.globex.test/", State: "up"},
		Monitor{ID: "mon_2", Name: "Hammock orders", Target: "https://orders.globex.test/health", State: "up"},
	)
	return e
}

// add makes a tenant whose monitors that are not up have an alert.
func (e *estate) add(tenant string, monitors ...Monitor) {
	d := &tenantData{monitors: monitors, settings: Settings{IntervalSeconds: 60, NotifyEmail: "oncall@" + tenant + ".test"}}
	e.of[tenant] = d
	for _, m := range monitors {
		switch m.State {
		case "degraded":
			d.alert(Alert{Monitor: m.ID, Message: "Latency above 800 ms", State: "open", CreatedAt: e.now().Add(-12 * time.Minute)})
		case "down":
			d.alert(Alert{Monitor: m.ID, Message: "No answer for 3 checks", State: "acknowledged", CreatedAt: e.now().Add(-47 * time.Minute)})
		}
	}
}

// tenant returns a tenant's data; one that is new here has nothing yet. Call it
// with the tenant of a call that passed the guard only.
func (e *estate) tenant(slug string) *tenantData {
	e.mu.Lock()
	defer e.mu.Unlock()
	d, ok := e.of[slug]
	if !ok {
		d = &tenantData{settings: Settings{IntervalSeconds: 60}}
		e.of[slug] = d
	}
	return d
}

// alert stores an alert under the next id.
func (d *tenantData) alert(a Alert) Alert {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	a.ID = fmt.Sprintf("alr_%d", d.next)
	d.alerts = slices.Insert(d.alerts, 0, a)
	if len(d.alerts) > maxAlerts {
		d.alerts = d.alerts[:maxAlerts]
	}
	return a
}

func (d *tenantData) listAlerts() []Alert {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Alert{}, d.alerts...)
}

// listMonitors returns the monitors, each checked within the last interval.
func (d *tenantData) listMonitors(now time.Time) []Monitor {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := append([]Monitor{}, d.monitors...)
	for i := range out {
		out[i].LastCheck = lastRun(now, d.settings.IntervalSeconds, i)
	}
	return out
}

func (d *tenantData) has(monitor string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.monitors, func(m Monitor) bool { return m.ID == monitor })
}

// results says how the checks of a monitor in a state end.
var results = map[string]struct {
	word string
	ms   int
}{"up": {"passed", 84}, "degraded": {"slow", 912}, "down": {"failed", 5000}}

// checks returns the last three runs of each monitor, newest first.
func (d *tenantData) checks(now time.Time) []Check {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []Check{}
	for back := range 3 {
		for i, m := range d.monitors {
			at := lastRun(now, d.settings.IntervalSeconds, i).Add(-time.Duration(back*d.settings.IntervalSeconds) * time.Second)
			end := results[m.State]
			out = append(out, Check{Monitor: m.ID, At: at, Result: end.word, DurationMS: end.ms + 7*back + 3*i})
		}
	}
	return out
}

// lastRun spreads the monitors over the interval.
func lastRun(now time.Time, seconds, i int) time.Time {
	interval := time.Duration(seconds) * time.Second
	return now.Add(-time.Duration(i) * 7 * time.Second).Truncate(interval).Add(time.Duration(i) * 7 * time.Second).UTC()
}

func (d *tenantData) getSettings() Settings {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settings
}

func (d *tenantData) setSettings(s Settings) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settings = s
}
