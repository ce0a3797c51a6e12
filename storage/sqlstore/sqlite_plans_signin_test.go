package sqlstore

import (
	"strings"
	"testing"
)

// TestSQLiteReadsPeopleByAnIndex: a plan that reads a whole table, or a whole index,
// says so. What the parts of a union found (o) is read whole.
func TestSQLiteReadsPeopleByAnIndex(t *testing.T) {
	t.Parallel()
	db, err := sqliteDB(sqliteFile(t), sqliteWriter)
	must(t, err)
	defer db.Close()
	for _, q := range signInQueries("SQLite:") {
		rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+q.sql, q.args...)
		must(t, err)
		for rows.Next() {
			var id, parent, unused int
			var step string
			must(t, rows.Scan(&id, &parent, &unused, &step))
			if strings.HasPrefix(step, "SCAN ") && step != "SCAN o" && !strings.Contains(step, "CONSTANT ROW") {
				t.Errorf("%s: %s", q.name, step)
			}
		}
		must(t, rows.Err())
	}
}
