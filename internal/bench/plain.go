package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// segment is the size of PostgreSQL's files, in bytes.
const segment = 1 << 30

// removePlain writes files of the size of an hour's table and index, waits until they
// are on the disk, and returns how long it takes to remove them.
func (t *town) removePlain(ctx context.Context, dir string) (time.Duration, error) {
	conn, err := pgx.Connect(ctx, t.database)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	var size int64
	err = conn.QueryRow(ctx, "SELECT pg_total_relation_size($1::regclass)", fmt.Sprintf("access_tokens_p%d", t.oldest())).Scan(&size)
	var files []string
	for i := 0; err == nil && size > 0; i++ {
		files = append(files, filepath.Join(dir, fmt.Sprintf("plain-%d", i)))
		err = writeFile(files[i], min(size, segment))
		size -= segment
	}
	began := time.Now()
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return time.Since(began), err
}

func writeFile(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	block := bytes.Repeat([]byte("watchgate"), 1<<17)
	for err == nil && size > 0 {
		var n int
		n, err = f.Write(block[:min(size, int64(len(block)))])
		size -= int64(n)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
