#!/usr/bin/env bash
# Start hook: a server that answers with the checksum of all that its client sends, so
# not before the client has ended its side.
set -euo pipefail
cd -- "${DIR:?}"
socat -t 60 "TCP-LISTEN:${ROUSE_ADDRESS##*:},bind=127.0.0.1,reuseaddr,fork" EXEC:sha256sum </dev/null >>socat.log 2>&1 &
echo $! >>pids
