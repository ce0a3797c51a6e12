package sqlstore

import (
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/watchgate/watchgate/storage"
)

// maxFolded is how many commands of a unit become one statement; a longer unit is
// sent as it is.
const maxFolded = 10

// shape is which commands, in their order, a folded statement consists of.
type shape [maxFolded]*command

// foldings are the texts of folded statements. There are few, each made and
// prepared once.
type foldings struct {
	mu    sync.RWMutex
	texts map[shape]string
}

// folds reports whether a unit can be sent as one statement.
func (u *unit) folds() bool {
	return u.foldable && len(u.statements) <= maxFolded
}

// fold returns a unit as one statement, in which each of its commands is a WITH query
// of its own (PostgreSQL 7.8.4): the server parses, plans and answers once. All run to
// their end whether or not somebody reads from them, none sees what another one does,
// and those that have to touch one row are asked in their order.
func (f *foldings) fold(statements []statement) (sql string, args []any) {
	var key shape
	for i, s := range statements {
		key[i], args = s.command, append(args, s.args...)
	}
	f.mu.RLock()
	sql, known := f.texts[key]
	f.mu.RUnlock()
	if known {
		return sql, args
	}
	sql = folded(statements)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.texts == nil {
		f.texts = map[shape]string{}
	}
	f.texts[key] = sql
	return sql, args
}

func folded(statements []statement) string {
	var with, asked []string
	first := 0
	for i, s := range statements {
		name, sql := "s"+strconv.Itoa(i), renumbered(s.plain, first)
		if s.counted != "" {
			sql += " RETURNING 1"
			asked = append(asked, "watchgate_expect((SELECT count(*) FROM "+name+"), 1)")
		}
		with = append(with, name+" AS ("+sql+")")
		first += len(s.args)
	}
	if len(asked) == 0 {
		asked = []string{"1"}
	}
	return "WITH " + strings.Join(with, ", ") + " SELECT " + strings.Join(asked, ", ")
}

var parameter = regexp.MustCompile(`\$[0-9]+`)

// renumbered moves the numbers of a text's parameters up.
func renumbered(sql string, by int) string {
	return parameter.ReplaceAllStringFunc(sql, func(p string) string {
		n, _ := strconv.Atoi(p[1:])
		return "$" + strconv.Itoa(n+by)
	})
}

// foldedError is postgresError for a folded unit. All that had to touch one row fail
// alike; and only an event is ever refused by a policy, or lacks its tenant.
func foldedError(err error, u *unit) error {
	for _, s := range u.statements {
		if s.fail != nil && is(err, wrongCount) {
			return s.fail
		}
		if s.command == insertTenantEvent && is(err, notNullViolation, insufficient) {
			return postgresError(err, s)
		}
	}
	return postgresError(err, statement{fail: storage.ErrConflict})
}
