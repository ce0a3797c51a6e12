package limit_test

import (
	"context"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/limit"
	"github.com/watchgate/watchgate/internal/redistest"
)

// BenchmarkTakeOfMany takes for as many keys as there is room for by a half, so that
// what is looked up is not in the processor's own memory.
func BenchmarkTakeOfMany(b *testing.B) {
	keys := make([]string, limit.DefaultEntries/2)
	for i := range keys {
		keys[i] = "key_01kavq3n8e5t7w2m4d6g" + strconv.Itoa(100_000+i)
	}
	l := limit.New(limit.Config{})
	for _, k := range keys {
		l.Take(context.Background(), k, plenty)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		l.Take(context.Background(), keys[i], plenty)
		i = (i + 7919) % len(keys)
	}
}

// BenchmarkTakeRedis also says how much of the processor this process used: the rest
// is Redis's, and the way there.
func BenchmarkTakeRedis(b *testing.B) {
	client, err := limit.Connect(redistest.Start(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	l := limit.New(limit.Config{Redis: client})
	began := used(b)
	b.ReportAllocs()
	for b.Loop() {
		l.Take(context.Background(), "key_01j9z6", plenty)
	}
	b.ReportMetric(float64(used(b)-began)/float64(b.N), "cpu-ns/op")
}

// used is the processor time of this process.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
