#!/usr/bin/env bash
# Stop hook: stops the container, or freezes it with CONTAINER_SLEEP=pause.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
look
case $CONTAINER_SLEEP/$state in
*/created | */configured | */initialized | */exited | */stopped | */dead) ;;
pause/paused) ;;
pause/running) engine pause "$CONTAINER" ;;
stop/paused)
	# What is frozen cannot answer TERM.
	engine unpause "$CONTAINER"
	engine stop -t "$CONTAINER_GRACE" "$CONTAINER" ;;
stop/running | stop/restarting) engine stop -t "$CONTAINER_GRACE" "$CONTAINER" ;;
stop/* | pause/*)
	say "the container is $state: try again soon"
	exit 75 ;;
*)
	say "CONTAINER_SLEEP must be stop or pause, not \"$CONTAINER_SLEEP\""
	exit 1 ;;
esac
