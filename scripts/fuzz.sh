#!/usr/bin/env bash
# Runs every fuzz target for a while (FUZZTIME, 10s by default), one after the other:
# the go command fuzzes one target at a time. An input that fails is written below
# testdata/fuzz and becomes a test.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=${FUZZTIME:-10s}
count=0
while IFS=: read -r file target; do
	package=./${file%/*}
	echo "fuzz: $package $target for $fuzztime"
	go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime"
	count=$((count + 1))
done < <(grep -rEo --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]*' . |
	sed -E 's|^\./||; s|func ||' | sort)

echo "fuzz: $count targets"
