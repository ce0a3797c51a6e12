package introspect

import (
	"github.com/maypok86/otter/v2"

	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

// maxOwn is how many credentials are remembered that were presented to the
// deployment's own API, each in about two kilobytes.
const maxOwn = 1 << 12

// ownReadings remember what statements found, and no answer: what a credential is
// good for is decided on every call, from what the database would say.
type ownReadings struct {
	node *coherence.Node
	held *otter.Cache[[32]byte, *ownReading]
}

// ownReading is what a statement found. It is not modified.
type ownReading struct {
	mark  coherence.Mark // noted before
	on    [things + 1]coherence.Cell
	rs    storage.ResourceServer
	found *credential
	key   *keyed // nil: found is no key
}

func newOwnReadings(node *coherence.Node) *ownReadings {
	return &ownReadings{node: node, held: otter.Must(&otter.Options[[32]byte, *ownReading]{MaximumSize: maxOwn})}
}

// recall returns what the database would say of a credential now, or nil: it has to
// be asked.
func (o *ownReadings) recall(own storage.ResourceServerID, about subject) *ownReading {
	if !o.node.Held() {
		return nil
	}
	r, ok := o.held.GetIfPresent(about.ref.Hash)
	if !ok || r.rs.ID != own || !o.node.Unchanged(r.mark, r.on[:]) {
		return nil
	}
	return r
}

// keep remembers a reading of what is live, unless something that it hangs on changed
// since.
func (o *ownReadings) keep(about subject, r ownReading) {
	hangs := r.found.hangsOn()
	if len(hangs) > things {
		return
	}
	for i := range r.on {
		what := hangs[0] // what is missing, the tenant stands for
		switch {
		case i < len(hangs):
			what = hangs[i]
		case i == things:
			what = storage.Change{Kind: storage.ChangeResourceServer, ID: string(r.rs.ID)}
		}
		r.on[i] = o.node.Cell(what.Kind, what.Tenant, what.ID)
	}
	if o.node.Current(r.mark, r.on[:]) {
		o.held.Set(about.ref.Hash, &r)
	}
}
