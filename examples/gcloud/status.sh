#!/usr/bin/env bash
# Status hook: 0 not off, 3 really off, 1 and 75 cannot tell. An instance on its way
# down still costs money and counts as running; one that cannot be found may be in
# another zone and does not count as off.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
look
case $state in
TERMINATED | STOPPED | SUSPENDED) exit 3 ;;
RUNNING | PENDING | PROVISIONING | STAGING | STOPPING | PENDING_STOP | SUSPENDING | REPAIRING) exit 0 ;;
esac
say "the instance is in the unknown state \"$state\""
exit 1
