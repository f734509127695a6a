#!/usr/bin/env bash
# Stop hook. "fast" does not wait for clients that are left over.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
if runs; then pg_ctl stop --mode=fast --silent; fi
