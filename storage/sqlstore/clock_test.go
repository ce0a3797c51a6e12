package sqlstore

import (
	"testing"
	"time"
)

// TestClock: the databases of this test run on this machine, whose clock is theirs.
func TestClock(t *testing.T) {
	for name, dsn := range map[string]string{"SQLite": sqliteFile(t), "PostgreSQL": postgresDatabase(t)} {
		before := time.Now()
		at, err := opened(t, Config{DSN: dsn}).Clock(t.Context())
		must(t, err)
		// An engine says whole milliseconds.
		if at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("%s says %v, this machine %v", name, at, before)
		}
	}
}
