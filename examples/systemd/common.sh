# shellcheck shell=bash
# Settings and shared functions of the systemd hooks. Sourced by them, not run.
# Edit a value here, or leave it and pass --hook-env=NAME=VALUE to rouse.
set -euo pipefail

# The unit to start and stop.
SYSTEMD_UNIT=${SYSTEMD_UNIT:-myapp.service}
# system, or user for a unit of the user that runs rouse.
SYSTEMD_SCOPE=${SYSTEMD_SCOPE:-system}

say() { printf '%s\n' "$*" >&2; }

case $SYSTEMD_SCOPE in
system) ;;
user)
	# A hook's environment lacks it, and systemctl finds the user's manager by it.
	export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$EUID} ;;
*)
	say "SYSTEMD_SCOPE must be system or user, not \"$SYSTEMD_SCOPE\""
	exit 1 ;;
esac

ctl() { systemctl "--$SYSTEMD_SCOPE" --no-ask-password --no-pager "$@" 2>&1; }

# give_up TEXT ends the hook with the exit code that fits what systemctl said: 75
# when the manager is only busy, otherwise 1.
give_up() {
	say "systemctl: $1"
	case $1 in
	*"uthentication required"* | *"ccess denied"* | *"not authorized"*)
		say "let this user manage $SYSTEMD_UNIT: the README has a polkit rule"
		exit 1 ;;
	*"not found"* | *"could not be found"* | *"not loaded"*)
		say "there is no unit $SYSTEMD_UNIT: install it and run \"systemctl daemon-reload\", or set SYSTEMD_UNIT or SYSTEMD_SCOPE"
		exit 1 ;;
	*"connect to bus"* | *"not been booted with systemd"*)
		say "systemd does not run here, or not for this user: \"loginctl enable-linger\" starts it for SYSTEMD_SCOPE=user"
		exit 1 ;;
	*"onnection timed out"* | *"ransport endpoint"* | *"Connection reset"* | *"Failed to activate service"*)
		exit 75 ;;
	esac
	exit 1
}

# look sets active to the state of the unit, as systemd names it.
look() {
	local reply
	reply=$(ctl show --property=LoadState --property=ActiveState -- "$SYSTEMD_UNIT") || give_up "$reply"
	[[ $reply != *LoadState=not-found* ]] || give_up "unit $SYSTEMD_UNIT not found"
	[[ $reply =~ ActiveState=([a-z]+) ]] || give_up "cannot read the state in: $reply"
	# shellcheck disable=SC2034 # read by the hooks
	active=${BASH_REMATCH[1]}
}
