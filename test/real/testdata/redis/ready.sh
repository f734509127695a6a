#!/usr/bin/env bash
# Probe: what the server says to a ping is kept in probe.log.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
said=$(redis-cli -h 127.0.0.1 -p "$port" ping 2>&1) || true
echo "$said" >>probe.log
[[ $said == PONG ]]
