#!/usr/bin/env bash
# Probe: an open port is not enough, for PostgreSQL refuses clients while it recovers.
# What pg_isready said is kept in probe.log: 0 serves, 1 refuses, 2 no answer.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
said=0
"$bin/pg_isready" --quiet --host="${ROUSE_ADDRESS%:*}" --port="${ROUSE_ADDRESS##*:}" --username=postgres || said=$?
echo "$said" >>probe.log
exit "$said"
