package introspect

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/watchgate/watchgate/introspect/coherence"
	"github.com/watchgate/watchgate/storage"
)

// entry is what is remembered about a live credential for one class of askers. It is
// not modified once it is made.
type entry struct {
	packed packed
	key    *keyed // nil: it is a token
}

// packed is an answer and what it hangs on, in one piece of memory, of which a
// process may hold millions:
//
//	 0  the mark that was noted before the token was read, 8 bytes
//	 8  until when the answer holds, 8 bytes: milliseconds since 1970
//	16  the cells of what the answer hangs on, 3 bytes for each of 8
//	40  where in the answer the tenant's id begins, 2 bytes
//	42  how long the tenant's id and its slug are, 1 byte each
//	44  the answer, as it is sent
type packed []byte

// things is how many an answer can hang on. What a credential does not have, its
// tenant stands for. A token has all eight where it came through a code; one that
// was made under a key has no session.
const things = 8

const (
	untilAt  = 8
	cellsAt  = 16
	tenantAt = cellsAt + 3*things
	answerAt = tenantAt + 4
)

// What stands before a tenant's id in an answer, and between id and slug.
const (
	beforeTenantID   = `"tenant_id":"`
	beforeTenantSlug = `","tenant":"`
)

// live is an entry before it is packed.
type live struct {
	mark   coherence.Mark
	until  int64 // milliseconds since 1970
	on     [things]coherence.Cell
	tenant storage.TenantID
	slug   string
	answer []byte
}

// pack returns nil for what does not fit the form, and is not remembered then.
func (l live) pack() packed {
	named := beforeTenantID + string(l.tenant) + beforeTenantSlug + l.slug + `"`
	place := bytes.Index(l.answer, []byte(named)) + len(beforeTenantID)
	if place < len(beforeTenantID) || place > 1<<16-1 || len(l.tenant) > 1<<8-1 || len(l.slug) > 1<<8-1 {
		return nil
	}
	// The memory comes in sizes: what the allocator gives is what the entry weighs.
	e := slices.Grow(packed(nil), answerAt+len(l.answer))
	e = binary.LittleEndian.AppendUint64(e, uint64(l.mark))
	e = binary.LittleEndian.AppendUint64(e, uint64(l.until))
	for _, c := range l.on {
		if c >= 1<<24 {
			return nil
		}
		e = append(e, byte(c), byte(c>>8), byte(c>>16))
	}
	e = binary.LittleEndian.AppendUint16(e, uint16(place))
	e = append(e, byte(len(l.tenant)), byte(len(l.slug)))
	return append(e, l.answer...)
}

func (e packed) mark() coherence.Mark { return coherence.Mark(binary.LittleEndian.Uint64(e)) }

func (e packed) until() int64 { return int64(binary.LittleEndian.Uint64(e[untilAt:])) }

func (e packed) cells() (on [things]coherence.Cell) {
	for i := range on {
		c := e[cellsAt+3*i:]
		on[i] = coherence.Cell(c[0]) | coherence.Cell(c[1])<<8 | coherence.Cell(c[2])<<16
	}
	return on
}

// answer is the JSON of RFC 7662 section 2.2. It must not be modified.
func (e packed) answer() []byte { return e[answerAt:len(e):len(e)] }

// tenant is the credential's, by its id and by its slug.
func (e packed) tenant() (id, slug []byte) {
	from := answerAt + int(binary.LittleEndian.Uint16(e[tenantAt:]))
	to := from + int(e[tenantAt+2])
	id, slug = e[from:to], e[to+len(beforeTenantSlug):]
	return id, slug[:e[tenantAt+3]]
}

// is reports whether the credential is of the tenant that a question names, by slug
// or by id.
func (e packed) is(tenant string) bool {
	id, slug := e.tenant()
	return tenant == string(slug) || tenant == string(id)
}

// none reports whether there is no entry.
func (e entry) none() bool { return e.packed == nil }
