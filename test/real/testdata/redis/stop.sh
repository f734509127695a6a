#!/usr/bin/env bash
# Stop hook: saves the data, then waits until the process is gone.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
if runs; then redis-cli -h 127.0.0.1 -p "$port" shutdown save; fi
while runs; do sleep 0.05; done
