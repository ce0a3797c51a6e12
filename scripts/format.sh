#!/usr/bin/env bash
# Fails when gofmt would change a file, and names it.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(find . -name node_modules -prune -o -name '*.go' -print0 | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then
	echo "gofmt -w these files:" >&2
	echo "$unformatted" >&2
	exit 1
fi
