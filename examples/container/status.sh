#!/usr/bin/env bash
# Status hook: 0 the container runs or is on its way up or down, 3 it does not run
# or is frozen, 1 and 75 cannot tell. A container that cannot be found counts as
# "cannot tell": it may run under another engine or another name.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
look
case $state in
running | restarting | stopping | removing) exit 0 ;;
paused | created | configured | initialized | exited | stopped | dead) exit 3 ;;
esac
say "the container is in the unknown state \"$state\""
exit 1
