#!/usr/bin/env bash
# Status hook: 0 the unit is active or on its way up or down, 3 it is down, 1 and
# 75 cannot tell. A failed unit has no process left.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
look
case $active in
active | reloading | refreshing | activating | deactivating | maintenance) exit 0 ;;
inactive | failed) exit 3 ;;
esac
say "the unit is in the unknown state \"$active\""
exit 1
