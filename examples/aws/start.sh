#!/usr/bin/env bash
# Start hook: starts the instance; a hibernated one goes on where it was.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
look
case $state in
running | pending) ;;
stopped) ec2 start-instances >/dev/null || give_up ;;
stopping)
	say "the instance is stopping and cannot be started yet: try again soon"
	exit 75 ;;
shutting-down | terminated)
	say "the instance was terminated and is gone for good: make a new one and set EC2_INSTANCE"
	exit 1 ;;
*)
	say "the instance is in the state \"$state\" and cannot be started"
	exit 1 ;;
esac
tell_address
