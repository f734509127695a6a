#!/usr/bin/env bash
# Start hook.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
if runs; then exit 0; fi
/usr/sbin/sshd -D -f /dev/null -p "${ROUSE_ADDRESS##*:}" -h "$DIR/host" -E "$DIR/sshd.log" -o ListenAddress=127.0.0.1 \
	-o PidFile=none -o AuthorizedKeysFile="$DIR/user.pub" -o StrictModes=no -o UsePAM=no \
	-o PasswordAuthentication=no -o KbdInteractiveAuthentication=no -o Subsystem="sftp internal-sftp" \
	</dev/null >/dev/null 2>&1 &
echo $! >>pids
