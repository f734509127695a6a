#!/usr/bin/env bash
# Start hook. It returns once the server listens, which is before it serves: that is
# for the probe to find out.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
if runs; then exit 0; fi
"${owner[@]}" "$bin/postgres" -p "${ROUSE_ADDRESS##*:}" </dev/null >>postgres.log 2>&1 &
server=$!
echo "$server" >>pids
# Its pid file says whose it is, and in the eighth line how far the server has come.
until mapfile -t said 2>/dev/null <"$PGDATA/postmaster.pid" && [[ ${said[0]:-} == "$server" && -n ${said[7]:-} ]]; do
	# After a crash, children of the old server may live on for a moment. The new one
	# does not start beside them.
	kill -0 "$server" 2>/dev/null || { tail -n 2 postgres.log; exit 75; }
	sleep 0.02
done
