#!/usr/bin/env bash
# Stop hook: puts the machine to sleep over ssh and waits until it does not answer
# any more.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
rc=0
up 3 || rc=$?
case $rc in
1) exit 0 ;;
2) exit 1 ;;
esac

# A machine that falls asleep may leave ssh hanging or cut it off. So ssh gives up
# on a silent peer, and what it returns counts only if the machine stays up.
ssh_rc=0
reply=$(ssh -n -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=2 -o ServerAliveCountMax=3 \
	-- "${WOL_SSH:-$WOL_HOST}" "$WOL_SLEEP" 2>&1) || ssh_rc=$?
[[ -z $reply ]] || say "ssh: $reply"
if [[ $ssh_rc != 0 && $ssh_rc != 255 ]]; then
	say "\"$WOL_SLEEP\" failed there with exit status $ssh_rc; the README has the line that sudo needs"
	exit 1
fi
case $reply in
*"Permission denied"* | *"Host key verification failed"*)
	say "let the user that runs rouse log in with a key and without questions: \"ssh ${WOL_SSH:-$WOL_HOST} true\""
	exit 1 ;;
esac

end=$((SECONDS + WOL_WAIT))
while :; do
	rc=0
	up 3 || rc=$? # one lost answer is not sleep
	case $rc in
	1) exit 0 ;;
	2) exit 1 ;;
	esac
	((SECONDS < end)) || break
	sleep 0.5
done
say "$WOL_HOST still answers after ${WOL_WAIT}s: try again soon"
exit 75
