#!/usr/bin/env bash
# Start hook. Loading a large data set takes Redis a while, in which it accepts clients
# and refuses their commands; LOAD_DELAY makes that while longer.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
if runs; then exit 0; fi
redis-server --bind 127.0.0.1 --port "$port" --dir "$DIR" --dbfilename data.rdb --save '' --logfile redis.log \
	--enable-debug-command local --key-load-delay "${LOAD_DELAY:-0}" --loading-process-events-interval-bytes 65536 \
	</dev/null >/dev/null 2>&1 &
echo $! >>pids
