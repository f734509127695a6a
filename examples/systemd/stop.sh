#!/usr/bin/env bash
# Stop hook: stops the unit and waits until it is down.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
look
reply=$(ctl stop -- "$SYSTEMD_UNIT") || give_up "$reply"
# Whatever can start the unit behind rouse's back is named by systemctl.
[[ -z $reply ]] || say "systemctl: $reply"
