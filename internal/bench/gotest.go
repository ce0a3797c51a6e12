package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/watchgate/watchgate/internal/process"
	"github.com/watchgate/watchgate/internal/token"
)

// measureInside runs the packages' own benchmarks of what happens below net/http.
func measureInside(ctx context.Context, b *bench) error {
	warm, err := goBenchmark(ctx, "/introspect", "BenchmarkWarmIntrospection")
	if err != nil {
		return err
	}
	hash := hashed()
	b.figures.add("allocations of a warm introspection, below net/http", warm["allocs/op"], "per call", 0, "", "<= 10")
	b.figures.add("time of a warm introspection, below net/http", warm["ns/op"], "ns", hash, "SHA-256 of a token", "")
	decision, err := goBenchmark(ctx, "/introspect/guard", "BenchmarkCachedDecision")
	if err != nil {
		return err
	}
	b.figures.add("decisions of guard with its cache on, one core", 1e9/decision["ns/op"], "1/s", 1e9/hash, "SHA-256 of a token", ">= 1000000/s")
	b.figures.add("allocations of a decision of guard", decision["allocs/op"], "per call", 0, "", "")
	return nil
}

// repeats is how often each benchmark runs. The least disturbed run counts.
const repeats = 3

// hashed is how long SHA-256 of a token takes, in nanoseconds.
func hashed() float64 {
	secret := []byte(token.New(token.Access, time.Unix(0, 0)))
	least := math.Inf(1)
	for range repeats {
		r := testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				sha256.Sum256(secret)
			}
		})
		least = min(least, float64(r.T.Nanoseconds())/float64(r.N))
	}
	return least
}

// measured is a value with its unit, as `go test -bench` says it.
var measured = regexp.MustCompile(`([0-9.]+) ((?:ns|cpu-ns|B|allocs)/op)`)

// goBenchmark runs one benchmark of a package on one processor and returns the least
// of its values, by their units.
func goBenchmark(ctx context.Context, pkg, name string) (map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+name+"$", "-benchmem", "-count", strconv.Itoa(repeats), process.Module+pkg)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, out)
	}
	values := map[string]float64{}
	for _, m := range measured.FindAllSubmatch(out, -1) {
		v, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			return nil, err
		}
		if least, seen := values[string(m[2])]; !seen || v < least {
			values[string(m[2])] = v
		}
	}
	if values["ns/op"] == 0 {
		return nil, fmt.Errorf("%s said nothing: %s", name, out)
	}
	return values, nil
}
