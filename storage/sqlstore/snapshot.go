package sqlstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// snapshot is PostgreSQL's pg_snapshot: which transactions had committed when it
// was taken (or had been undone, which is the same to whoever looks for changes).
type snapshot struct {
	xmin, xmax uint64   // all below xmin are over; none from xmax on is
	running    []uint64 // of those in between, in ascending order
}

// parseSnapshot reads the text form, xmin:xmax:xid,xid,... (documentation of
// pg_snapshot, "Snapshot Components").
func parseSnapshot(text string) (snapshot, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return snapshot{}, fmt.Errorf("sqlstore: %q is no snapshot", text)
	}
	numbers := parts[:2]
	if parts[2] != "" {
		numbers = slices.Concat(numbers, strings.Split(parts[2], ","))
	}
	xids := make([]uint64, len(numbers))
	for i, n := range numbers {
		var err error
		if xids[i], err = strconv.ParseUint(n, 10, 64); err != nil {
			return snapshot{}, fmt.Errorf("sqlstore: %q is no snapshot: %w", text, err)
		}
	}
	return snapshot{xmin: xids[0], xmax: xids[1], running: xids[2:]}, nil
}

// includes reports whether what the transaction did could be seen.
func (s snapshot) includes(xid uint64) bool {
	if xid < s.xmin || xid >= s.xmax {
		return xid < s.xmin
	}
	_, found := slices.BinarySearch(s.running, xid)
	return !found
}
