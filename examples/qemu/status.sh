#!/usr/bin/env bash
# Status hook: 0 the machine runs, 3 it is off.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
if running; then exit 0; fi
exit 3
