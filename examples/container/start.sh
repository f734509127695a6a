#!/usr/bin/env bash
# Start hook: starts the container, or thaws it.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
look
case $state in
running | restarting) ;;
paused) engine unpause "$CONTAINER" ;;
created | configured | initialized | exited | stopped) engine start "$CONTAINER" ;;
stopping | removing)
	say "the container is $state: try again soon"
	exit 75 ;;
*)
	say "the container is $state and cannot be started: make it anew"
	exit 1 ;;
esac
tell_address
