#!/usr/bin/env bash
# Makes the secrets that docker-compose.yml mounts, once, in .compose: the
# database's password, the URL that holds it, and the master secret. Files that are
# there are left alone, because the database in the volume was made with them.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=.compose
mkdir -p "$folder"
# The folder is closed to other people. The files are open, because containers
# read them under accounts of their own.
chmod 700 "$folder"

random() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }

make_once() {
	local file=$folder/$1
	if [ -e "$file" ]; then
		cat >/dev/null
		return
	fi
	cat >"$file"
	chmod 444 "$file"
	echo "wrote $file"
}

random | tr '+/' '-_' | tr -d '=' | make_once postgres-password
printf 'postgres://watchgate:%s@postgres:5432/watchgate?sslmode=disable\n' "$(cat "$folder/postgres-password")" | make_once database-url
random | make_once master-secret
