package domains

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/watchgate/watchgate/internal/mail"
	"github.com/watchgate/watchgate/storage"
	"github.com/watchgate/watchgate/storage/sqlstore"
	"github.com/watchgate/watchgate/storage/storagetest"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// world is two tenants on a real store, and a name server.
type world struct {
	*testing.T
	store        storage.Store
	claims       *Claims
	zone         *zone
	acme, globex storage.TenantID
	con          map[storage.TenantID]storage.ConnectionID
	now          time.Time
	told         []string // tenant, kind and domain
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dsn := storagetest.File(t, sqlstore.Migrate)
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DSN: dsn})
	must(t, err)
	t.Cleanup(func() { must(t, store.Close()) })
	w := &world{T: t, store: store, zone: serve(t), now: start, con: map[storage.TenantID]storage.ConnectionID{}}
	w.acme, w.globex = w.tenant("acme"), w.tenant("globex")
	w.claims = New(Config{
		Opener: store, Chores: store, Lookup: Resolver(w.zone.address), Teller: w, Now: func() time.Time { return w.now },
	})
	return w
}

func (w *world) tenant(slug string) storage.TenantID {
	w.Helper()
	id := storage.NewTenantID(start)
	must(w.T, w.store.CreateTenant(w.Context(), storage.Tenant{ID: id, Slug: slug, Name: slug, CreatedAt: start}, event("tenant.created")))
	con := storage.NewConnectionID(start)
	must(w.T, w.store.Tenant(id).CreateConnection(w.Context(), storage.Connection{ID: con, Kind: storage.OIDC, Name: slug, CreatedAt: start}, event("connection.created")))
	w.con[id] = con
	return id
}

// TellOwners implements Teller.
func (w *world) TellOwners(_ context.Context, t storage.TenantID, kind mail.Kind, fields map[string]string) error {
	w.told = append(w.told, string(t)+" "+string(kind)+" "+fields["domain"])
	return nil
}

func (w *world) claim(t storage.TenantID, name string) storage.Domain {
	w.Helper()
	d, err := w.claims.Claim(w.Context(), t, name, w.con[t])
	must(w.T, err)
	return d
}

// prove claims a domain, makes its record, and has it looked at.
func (w *world) prove(t storage.TenantID, name string) storage.Domain {
	w.Helper()
	d := w.claim(t, name)
	w.zone.say(d)
	d, err := w.claims.Verify(w.Context(), t, name)
	must(w.T, err)
	return d
}

func (w *world) tick(after time.Duration) {
	w.Helper()
	w.now = w.now.Add(after)
	_, err := w.claims.Tick(w.Context())
	must(w.T, err)
}

func (w *world) get(t storage.TenantID, name string) storage.Domain {
	w.Helper()
	d, err := w.claims.Get(w.Context(), t, name)
	must(w.T, err)
	return d
}

func (w *world) kinds(t storage.TenantID) []string {
	w.Helper()
	events, err := w.store.Tenant(t).Events(w.Context(), "", 100)
	must(w.T, err)
	var out []string
	for _, ev := range events {
		out = append(out, ev.Kind)
	}
	slices.Reverse(out)
	return out
}

// zone is a name server for everything.
type zone struct {
	address string
	mu      sync.Mutex
	texts   map[string][][]string // by name with a dot at its end
	rcode   int
	silent  bool
	asked   []string
}

func serve(t *testing.T) *zone {
	t.Helper()
	udp, tcp := listen(t)
	z := &zone{address: udp.LocalAddr().String(), texts: map[string][][]string{}}
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: z}, {Listener: tcp, Handler: z}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		go func() { _ = s.ActivateAndServe() }()
		<-up
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	return z
}

// listen takes a port that is free for both.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	var failed error
	for range 20 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		must(t, err)
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp
		}
		failed = err
		must(t, udp.Close())
	}
	t.Fatal(failed)
	return nil, nil
}

// ServeDNS answers with what there is, and NXDOMAIN or no data otherwise.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name := q.Question[0].Name
	z.asked = append(z.asked, name)
	if z.silent {
		return
	}
	a := new(dns.Msg)
	a.SetRcode(q, z.rcode)
	a.RecursionAvailable = true
	if z.rcode == dns.RcodeSuccess {
		for _, text := range z.texts[name] {
			a.Answer = append(a.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 1}, Txt: text})
		}
		if len(a.Answer) == 0 {
			a.Rcode = dns.RcodeNameError
		}
	}
	if w.LocalAddr().Network() == "udp" {
		a.Truncate(dns.MinMsgSize)
	}
	_ = w.WriteMsg(a)
}

func (z *zone) set(change func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	change()
}

// say makes the record of a domain.
func (z *zone) say(d storage.Domain) { z.add(RecordOf(d).Name, RecordOf(d).Value) }

// add adds a TXT record, in strings of at most 200 bytes.
func (z *zone) add(name, text string) {
	z.set(func() {
		var parts []string
		for part := range slices.Chunk([]byte(text), 200) {
			parts = append(parts, string(part))
		}
		z.texts[name+"."] = append(z.texts[name+"."], parts)
	})
}

func (z *zone) forget(d storage.Domain) { z.set(func() { delete(z.texts, RecordOf(d).Name+".") }) }

func (z *zone) fail(rcode int) { z.set(func() { z.rcode = rcode }) }

func event(kind string) storage.Event {
	return storage.Event{ID: storage.NewEventID(start), Time: start, Kind: kind, Outcome: "success", ActorKind: "system"}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
