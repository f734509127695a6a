#!/usr/bin/env bash
# Prints a session in which psql wakes PostgreSQL, as it looks in a terminal: the
# commands are run as they are printed, and what follows is what came out. The README
# shows it. It takes the ports 5432 and 5433 of 127.0.0.1.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)

# A folder as a newcomer would have it: rouse, three hooks, and a database that never ran.
stage=$(mktemp -d)
chmod 711 "$stage"
cd -- "$stage"
cp "$here"/testdata/postgres/*.sh .
mkdir db
if ((EUID == 0)); then chown postgres: db; fi # PostgreSQL refuses to run as root
(cd -- "$here" && go build -o "$stage/rouse" ../../cmd/rouse)
export DIR=db PATH=$stage:$PATH XDG_STATE_HOME=$stage/state NO_COLOR=1 PGUSER=postgres
end() {
	if [[ -n ${pid:-} ]]; then
		kill "$pid" || true
		wait "$pid" || true
	fi
	./stop.sh || true
	rm -rf -- "$stage"
}
trap end EXIT
./init.sh

# shown COMMAND prints a command and runs it, into the one stream of all.
shown() {
	printf '$ %s\n' "$1"
	eval "$1" || true
}

# said TEXT waits until it has been printed.
said() {
	local late=$((SECONDS + 60))
	until grep -q "$1" session; do
		((SECONDS < late)) || { cat session >&3; exit 1; }
		sleep 0.05
	done
}

exec 3>&1 >>session 2>&1
shown 'pg_isready -h 127.0.0.1 -p 5433'
shown 'rouse --target-name=db --target-ip=127.0.0.1 --target-port=5433 --proxy-ip=127.0.0.1 \
    --proxy-port=5432 --hook-start-svc=./start.sh --hook-stop-svc=./stop.sh --hook-env=DIR \
    --probe=exec:./ready.sh --cooldown-period=5s --log-format=text &'
pid=$!
said 'INF listening'
shown 'time -p psql -h 127.0.0.1 -c "select 6 * 7 as answer"'
said to=stopped
shown 'pg_isready -h 127.0.0.1 -p 5433'
cat session >&3
