#!/usr/bin/env bash
# Status hook: 0 the machine answers, 3 it does not, 1 cannot tell.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
rc=0
up 3 || rc=$?
case $rc in
0) exit 0 ;;
1) exit 3 ;;
esac
exit 1
