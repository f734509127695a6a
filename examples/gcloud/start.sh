#!/usr/bin/env bash
# Start hook: starts or resumes the instance. gcloud waits for Google's verdict, so
# that a zone without free machines is known here and not at the start timeout.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
look
case $state in
RUNNING | PROVISIONING | STAGING | PENDING) ;;
TERMINATED | STOPPED) gce start || give_up ;;
SUSPENDED) gce resume || give_up ;;
STOPPING | PENDING_STOP | SUSPENDING | REPAIRING)
	say "the instance is $state and cannot be started yet: try again soon"
	exit 75 ;;
*)
	say "the instance is in the state \"$state\" and cannot be started"
	exit 1 ;;
esac
tell_address
