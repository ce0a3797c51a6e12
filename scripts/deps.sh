#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: PostgreSQL's server, Chromium,
# Node.js with npm, a C compiler (for the race detector), and the packages that
# internal/npmtest pins. Where it cannot install, it says what to install, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

# Below this, npm's packages do not start.
node_major=18

has() { command -v "$1" >/dev/null 2>&1; }

has_postgres() {
	local initdb
	for initdb in /usr/lib/postgresql/*/bin/initdb; do
		if [ -x "$initdb" ] && [ -x "${initdb%/*}/postgres" ]; then return 0; fi
	done
	has initdb && has postgres
}

has_browser() { has chromium || has chromium-browser || has google-chrome; }

has_node() { has node && has npm && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge "$node_major" ]; }

packages=()
has_postgres || packages+=(postgresql postgresql-contrib)
has_browser || packages+=(chromium fonts-liberation fonts-dejavu-core)
has node || packages+=(nodejs)
has npm || packages+=(npm)
has cc || packages+=(gcc libc6-dev)
if ! [ -d /etc/ssl/certs ]; then packages+=(ca-certificates); fi

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

can_install() { has apt-get && { [ "$(id -u)" = 0 ] || has sudo; }; }

# A server package would start a cluster of its own on port 5432. The tests start
# theirs, so this one is told not to; a cluster that exists is left alone.
no_main_cluster=/etc/postgresql-common/createcluster.d/watchgate-tests.conf

install_packages() {
	echo "deps: installing ${packages[*]}"
	if ! has_postgres && ! [ -e /etc/postgresql-common/createcluster.conf ]; then
		as_root mkdir -p "${no_main_cluster%/*}"
		echo 'create_main_cluster = false' | as_root tee "$no_main_cluster" >/dev/null
		trap 'as_root rm -f "$no_main_cluster"' EXIT
	fi
	as_root apt-get update -q
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
}

if [ "${#packages[@]}" -gt 0 ]; then
	if can_install; then
		install_packages
	else
		echo "deps: this machine lacks what Debian calls: ${packages[*]}" >&2
		echo "deps: install them (PostgreSQL 13 or newer, Chromium or Chrome, Node.js $node_major or newer with npm, a C compiler) and run make deps again." >&2
		exit 1
	fi
fi

if ! has_node; then
	echo "deps: Node.js is $(node --version); the tests need $node_major or newer." >&2
	exit 1
fi

# npm writes this file last.
stamp=internal/npmtest/node_modules/.package-lock.json
if ! [ -e "$stamp" ] || [ internal/npmtest/package-lock.json -nt "$stamp" ]; then
	echo "deps: installing npm's packages into internal/npmtest/node_modules"
	npm ci --prefix internal/npmtest --no-audit --no-fund --ignore-scripts
fi

echo "deps: everything is there"
