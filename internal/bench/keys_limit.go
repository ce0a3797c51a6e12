package main

import "context"

// measureLimiter runs the rate limiter's own benchmarks.
func measureLimiter(ctx context.Context, b *bench) error {
	memory, err := goBenchmark(ctx, "/internal/limit", "BenchmarkTake")
	if err != nil {
		return err
	}
	many, err := goBenchmark(ctx, "/internal/limit", "BenchmarkTakeOfMany")
	if err != nil {
		return err
	}
	shared, err := goBenchmark(ctx, "/internal/limit", "BenchmarkTakeRedis")
	if err != nil {
		return err
	}
	hash := hashed()
	b.figures.add("rate limiter in memory: one request", memory["ns/op"], "ns", hash, "SHA-256 of a token", "<= 2000 ns")
	b.figures.add("rate limiter in memory: one request, of 65536 keys in turns", many["ns/op"], "ns", hash, "SHA-256 of a token", "<= 2000 ns")
	b.figures.add("rate limiter in memory: allocations", memory["allocs/op"], "per call", 0, "", "")
	const inMemory = "in memory"
	b.figures.add("rate limiter with Redis: one request", shared["ns/op"], "ns", memory["ns/op"], inMemory, "")
	b.figures.add("rate limiter with Redis: processor time of the node", shared["cpu-ns/op"], "ns", memory["ns/op"], inMemory, "")
	return nil
}
