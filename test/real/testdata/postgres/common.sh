# shellcheck shell=bash
# Sourced by the PostgreSQL hooks. DIR holds the database in data/, its log, and the
# pids of all servers that were started there.
set -euo pipefail
# Whoever runs the server must be able to read the folder that it is started in.
cd -- "${DIR:?}"
export PGDATA=$PWD/data
bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
# PostgreSQL refuses to run as root: then it runs as the owner of DIR.
owner=()
if ((EUID == 0)); then
	owner=(setpriv --reuid="$(stat -c %u .)" --regid="$(stat -c %g .)" --clear-groups --)
fi

# runs succeeds while the server of this database lives. pg_ctl takes a process for alive
# that was killed a moment ago, which is a zombie and has no command line.
runs() {
	local pid
	{ read -r pid <"$PGDATA/postmaster.pid"; } 2>/dev/null && grep -qz postgres "/proc/$pid/cmdline" 2>/dev/null
}

pg_ctl() { "${owner[@]}" "$bin/pg_ctl" "$@"; }
