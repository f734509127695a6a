#!/usr/bin/env bash
# Start hook: runs the server in the background, unless it runs already.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
lock
if running; then exit 0; fi
rm -f -- "$pid_file"

# Job control gives the server a process group of its own, so that stop.sh reaches
# all of it and a signal to this hook's group does not. The lock is not passed on:
# the server would hold it for as long as it runs.
set -m
"$here/run.sh" </dev/null >>"$PROCESS_LOG" 2>&1 9>&- &
job=$!
set +m

# A command that cannot run at all is told now and not by the start timeout.
for ((i = 0; i < 100; i++)); do
	sleep 0.1
	if running; then exit 0; fi
	kill -0 "$job" 2>/dev/null || break
done
rc=0
wait "$job" || rc=$?
say "the server ended at once with exit status $rc; check PROCESS_COMMAND. The last lines of $PROCESS_LOG:"
tail -n 5 -- "$PROCESS_LOG" >&2
exit 1
