#!/usr/bin/env bash
# Stop hook.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
if runs; then kill "$pid"; fi
while runs; do sleep 0.05; done
