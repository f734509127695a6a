#!/usr/bin/env bash
# Start hook: starts the unit. systemd itself waits for a stop that is under way,
# and does nothing for a unit that is active.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
look
if [[ $active == failed ]]; then
	# Earlier failures count against the unit's start limit. rouse itself waits
	# longer after each failed start, so the limit is not needed here.
	reply=$(ctl reset-failed -- "$SYSTEMD_UNIT") || give_up "$reply"
fi
reply=$(ctl start -- "$SYSTEMD_UNIT") || give_up "$reply"
