#!/usr/bin/env bash
# Stop hook: asks the server to end, waits until it and its children are gone,
# kills what is left after PROCESS_GRACE seconds.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
lock
if ! running; then
	rm -f -- "$pid_file"
	exit 0
fi

kill -TERM -- "-$pid" 2>/dev/null || true
if ! gone "$PROCESS_GRACE"; then
	say "the server still runs after ${PROCESS_GRACE}s: killing it"
	kill -KILL -- "-$pid" 2>/dev/null || true
	gone 10 || { say "process $pid does not go away; is it owned by another user, or stuck in the kernel?"; exit 1; }
fi
rm -f -- "$pid_file"
