#!/usr/bin/env bash
# Status hook: 0 the server runs, 3 it does not.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
if running; then exit 0; fi
exit 3
