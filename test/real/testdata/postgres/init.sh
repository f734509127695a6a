#!/usr/bin/env bash
# Makes a fresh database in DIR. Not a hook.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
"${owner[@]}" "$bin/initdb" --auth=trust --username=postgres --encoding=UTF8 --no-locale --no-sync >init.log
# No checkpoint of its own accord: after a kill, everything is to be recovered.
cat >>"$PGDATA/postgresql.conf" <<-CONF
	listen_addresses = '127.0.0.1'
	unix_socket_directories = ''
	fsync = off
	max_wal_size = 4GB
	checkpoint_timeout = 1h
CONF
