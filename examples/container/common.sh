# shellcheck shell=bash
# Settings and shared functions of the container hooks. Sourced by them, not run.
# Edit a value here, or leave it and pass --hook-env=NAME=VALUE to rouse.
set -euo pipefail

# The container, by name. It must exist: "docker create" makes it.
CONTAINER=${CONTAINER:-myapp}
# docker or podman. Empty: the first of the two that is installed.
CONTAINER_ENGINE=${CONTAINER_ENGINE:-}
# How it sleeps. stop: its processes end. pause: they are frozen and keep their
# memory, and the container is back in a moment.
CONTAINER_SLEEP=${CONTAINER_SLEEP:-stop}
# Seconds that the engine gives it to end before it kills. Keep --stop-timeout above it.
CONTAINER_GRACE=${CONTAINER_GRACE:-30}
# yes: tell rouse the container's own address at each start, so that it dials past
# the published port. Linux, rouse on the same host.
CONTAINER_ADDRESS=${CONTAINER_ADDRESS:-no}

say() { printf '%s\n' "$*" >&2; }

if [[ -z $CONTAINER_ENGINE ]]; then
	if command -v docker >/dev/null; then CONTAINER_ENGINE=docker; else CONTAINER_ENGINE=podman; fi
fi
command -v "$CONTAINER_ENGINE" >/dev/null || {
	say "found no program \"$CONTAINER_ENGINE\" in $PATH: install docker or podman, or set CONTAINER_ENGINE"
	exit 1
}

# give_up TEXT ends the hook with the exit code that fits what the engine said: 75
# when the engine may be back soon, otherwise 1.
give_up() {
	say "$CONTAINER_ENGINE: $1"
	case $1 in
	*[Pp]"ermission denied"*)
		say "let the user that runs rouse use the engine (group docker, or podman as that user)"
		exit 1 ;;
	*[Nn]"o such "* | *"no container with name"*)
		say "there is no container \"$CONTAINER\": make it with \"$CONTAINER_ENGINE create --name $CONTAINER ...\", or set CONTAINER or CONTAINER_ENGINE"
		exit 1 ;;
	*[Cc]"annot connect to"* | *"connection refused"* | *"deadline exceeded"* | *"imeout"* | *"timed out"*)
		exit 75 ;;
	esac
	exit 1
}

# engine VERB... runs one command of the engine and ends the hook if it fails.
engine() {
	local reply
	reply=$("$CONTAINER_ENGINE" "$@" 2>&1) || give_up "$reply"
}

# look sets state to what the engine says about the container.
look() {
	local reply
	reply=$("$CONTAINER_ENGINE" container inspect --format 'state={{.State.Status}}' "$CONTAINER" 2>&1) || give_up "$reply"
	# Warnings may stand around the answer.
	[[ $reply =~ (^|$'\n')state=([a-z]+) ]] || give_up "cannot read the state in: $reply"
	# shellcheck disable=SC2034 # read by the hooks
	state=${BASH_REMATCH[2]}
}

# tell_address gives rouse the first address that the container has now.
tell_address() {
	local reply
	[[ $CONTAINER_ADDRESS == yes ]] || return 0
	reply=$("$CONTAINER_ENGINE" container inspect --format \
		'address={{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$CONTAINER" 2>&1) || give_up "$reply"
	if ! [[ $reply =~ (^|$'\n')address=\ *([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)\  ]]; then
		say "the container has no address of its own (host network, or rootless): set CONTAINER_ADDRESS=no"
		exit 1
	fi
	printf 'address=%s\n' "${BASH_REMATCH[2]}" >"${ROUSE_OUTPUT:-/dev/stdout}"
}
