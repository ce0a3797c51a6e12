package sqlstore

import (
	"os"
	"os/exec"
	"testing"

	"github.com/watchgate/watchgate/internal/pgtest"
)

func BenchmarkAdhoc(b *testing.B) {
	server := pgtest.New(b, pgtest.Options{Durable: true})
	s, a := benchStore(b, server.DSN("postgres"))
	bin, _ := pgtest.Binary("pgbench")
	db, _ := postgresDB(server.DSN("postgres"))
	if _, err := db.Exec("CREATE TABLE plain (LIKE access_tokens INCLUDING ALL)"); err != nil {
		b.Fatal(err)
	}
	db.Close()
	os.WriteFile("/tmp/wg_bench.sql", []byte(`INSERT INTO plain VALUES (sha256(convert_to(random()::text,'UTF8')), 490925, 'ten_bench', 'tok_01kdyak34ebk8exrnyxhpqq1qd', '', 'bench', '', '', '', 'monitorread', '', NULL, '', '', '', 1,2,NULL);
`), 0o644)
	operations(b, s, a)
	out, _ := exec.Command(bin, "-n", "-f", "/tmp/wg_bench.sql", "-c", "16", "-j", "2", "-T", "4", "-M", "prepared", server.DSN("postgres")).CombinedOutput()
	println(string(out))
}
