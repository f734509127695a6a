# shellcheck shell=bash
# Settings and shared functions of the Wake-on-LAN hooks. Sourced by them, not run.
# Edit a value here, or leave it and pass --hook-env=NAME=VALUE to rouse.
set -euo pipefail

# The machine's network card.
WOL_MAC=${WOL_MAC:-}
# Where the magic packet goes: the broadcast address of the machine's network.
WOL_BROADCAST=${WOL_BROADCAST:-255.255.255.255}
WOL_PORT=${WOL_PORT:-9}
# What sends it: wakeonlan, python3, perl, etherwake or bash. Empty: the first that
# is installed. etherwake needs root and WOL_INTERFACE; bash cannot broadcast.
WOL_SENDER=${WOL_SENDER:-}
WOL_INTERFACE=${WOL_INTERFACE:-}
# The machine's name or address. Empty: the host of --target-ip.
WOL_HOST=${WOL_HOST:-}
# How to see whether it is up: ping, or tcp to WOL_CHECK_PORT. Empty: ping if installed.
WOL_CHECK=${WOL_CHECK:-}
WOL_CHECK_PORT=${WOL_CHECK_PORT:-22}
# How it is put to sleep: what ssh connects to, and the command that it runs there.
WOL_SSH=${WOL_SSH:-}
WOL_SLEEP=${WOL_SLEEP:-sudo -n systemctl suspend}
# Seconds that a hook waits for the machine to be up or down. Keep --start-timeout
# and --stop-timeout above it.
WOL_WAIT=${WOL_WAIT:-60}

say() { printf '%s\n' "$*" >&2; }

if [[ -z $WOL_HOST ]]; then
	WOL_HOST=${ROUSE_ADDRESS:-}
	WOL_HOST=${WOL_HOST%:*} WOL_HOST=${WOL_HOST#[} WOL_HOST=${WOL_HOST%]}
fi
[[ -n $WOL_HOST ]] || {
	say "set WOL_HOST to the machine's name or address"
	exit 1
}
if [[ -z $WOL_CHECK ]]; then
	WOL_CHECK=tcp
	if command -v ping >/dev/null; then WOL_CHECK=ping; fi
fi

# ping_once: 0 it answers, 1 it does not, else cannot tell. The waiting time has
# another letter on BSD and macOS.
ping_once() {
	local wait=-W rc=0
	case $(uname) in *BSD | Darwin) wait=-t ;; esac
	ping -n -c 1 "$wait" 1 "$WOL_HOST" >/dev/null 2>&1 || rc=$?
	case $(uname)/$rc in
	*BSD/2 | Darwin/2) return 1 ;;
	*/0 | */1) return "$rc" ;;
	esac
	say "cannot ping $WOL_HOST (exit status $rc): does the name resolve, and is this machine's network up?"
	return 2
}

# tcp_once: the same by a connection. A refusal comes from a machine that is up.
tcp_once() {
	local reply rc=0
	# shellcheck disable=SC2016 # expanded by the inner shell
	reply=$(LC_ALL=C timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/$2"' - "$WOL_HOST" "$WOL_CHECK_PORT" 2>&1) || rc=$?
	case $rc/$reply in
	0/* | */*"onnection refused"*) return 0 ;;
	124/* | */*"o route to host"* | */*"ost is down"* | */*"timed out"*) return 1 ;;
	esac
	say "cannot tell whether $WOL_HOST is up: $reply"
	return 2
}

# up TRIES: 0 the machine answers, 1 it did not answer any of TRIES tries, 2 cannot
# tell.
up() {
	local rc i
	for ((i = 0; i < $1; i++)); do
		rc=0
		case $WOL_CHECK in
		ping) ping_once || rc=$? ;;
		tcp) tcp_once || rc=$? ;;
		*)
			say "WOL_CHECK must be ping or tcp, not \"$WOL_CHECK\""
			exit 1 ;;
		esac
		[[ $rc == 1 ]] || return "$rc"
	done
	return 1
}
