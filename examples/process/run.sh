#!/usr/bin/env bash
# Becomes the server: writes the pid file, then gives way to the command. start.sh
# runs it in the background; run it by hand to see the server in the foreground.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

# Written by the process itself, and whole: were start.sh ended right after it
# had started us, the server would still be known.
(umask 077 && mkdir -p -- "$PROCESS_RUN_DIR")
printf '%s %s\n' "$$" "$(born "$$")" >"$pid_file.new"
mv -f -- "$pid_file.new" "$pid_file"

cd -- "$PROCESS_DIR"
exec bash -c "exec $PROCESS_COMMAND"
