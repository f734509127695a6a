#!/usr/bin/env bash
# Status hook: pg_ctl says 0 for running and 3 for stopped, as rouse does.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
pg_ctl status
