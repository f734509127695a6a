#!/usr/bin/env bash
# Stop hook: stops or hibernates the instance and waits until it is down.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
case $EC2_SLEEP in
stop) how=() ;;
hibernate) how=(--hibernate) ;;
*)
	say "EC2_SLEEP must be stop or hibernate, not \"$EC2_SLEEP\""
	exit 1 ;;
esac
look
case $state in
stopped | terminated) exit 0 ;;
stopping | shutting-down) ;;
# AWS may refuse while the instance is pending; give_up then says 75.
*) ec2 stop-instances ${how[@]+"${how[@]}"} >/dev/null || give_up ;;
esac
wait_for_off
