#!/usr/bin/env bash
# Stop hook: stops or suspends the instance and waits until it is down.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
case $GCE_SLEEP in
stop | suspend) ;;
*)
	say "GCE_SLEEP must be stop or suspend, not \"$GCE_SLEEP\""
	exit 1 ;;
esac
look
case $state in
TERMINATED | STOPPED | SUSPENDED) exit 0 ;;
STOPPING | PENDING_STOP | SUSPENDING) ;;
# Google may refuse while the instance is on its way up; give_up then says 75.
*) gce "$GCE_SLEEP" --async || give_up ;;
esac
wait_for_off
