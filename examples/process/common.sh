# shellcheck shell=bash
# Settings and shared functions of the process hooks. Sourced by them, not run.
# Edit a value here, or leave it and pass --hook-env=NAME=VALUE to rouse.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)

# The server: one simple shell command that stays in the foreground. Put anything
# longer (a pipeline, several commands) into a script of its own and name that.
PROCESS_COMMAND=${PROCESS_COMMAND:-python3 -m http.server --bind 127.0.0.1 8001}
# The folder that the server runs in.
PROCESS_DIR=${PROCESS_DIR:-/}
# Where the pid file, the lock and the log are kept. Nobody else may write there.
PROCESS_RUN_DIR=${PROCESS_RUN_DIR:-$here/run}
# What the server prints goes here. It is appended to and never cut.
PROCESS_LOG=${PROCESS_LOG:-$PROCESS_RUN_DIR/server.log}
# Seconds between asking the server to end and killing it. Keep --stop-timeout above it.
PROCESS_GRACE=${PROCESS_GRACE:-30}

pid_file=$PROCESS_RUN_DIR/server.pid
proc=${PROCESS_PROC:-/proc} # where Linux describes processes; elsewhere ps is asked

say() { printf '%s\n' "$*" >&2; }

# lock takes the lock of this server: one hook at a time. rouse never overlaps
# them, a person might. Without flock (macOS) there is no lock.
lock() {
	(umask 077 && mkdir -p -- "$PROCESS_RUN_DIR")
	command -v flock >/dev/null || return 0
	exec 9>"$PROCESS_RUN_DIR/lock"
	flock -w 10 9 || { say "another hook is still busy with this server: try again soon"; exit 75; }
}

# stat_of PID sets f to the fields of /proc/PID/stat that follow the name: f[0] is
# the state, f[2] the process group, f[19] the start time. The name may hold
# anything, so everything up to the last bracket is cut off.
stat_of() {
	local text=
	{ IFS= read -r -d '' text <"$proc/$1/stat"; } 2>/dev/null || [[ -n $text ]] || return 1
	read -r -a f <<<"${text##*) }"
	[[ ${#f[@]} -ge 20 ]]
}

# born PID prints what tells this process from a later one with the same number:
# the boot and the moment it was started. It fails when there is no such process,
# or only its zombie.
born() {
	local f=() boot state when
	if [[ -r $proc/self/stat ]]; then
		stat_of "$1" || return 1
		[[ ${f[0]} != [ZX] ]] || return 1
		read -r boot <"$proc/sys/kernel/random/boot_id"
		printf '%s/%s\n' "$boot" "${f[19]}"
	else
		read -r state when < <(LC_ALL=C ps -o stat= -o lstart= -p "$1") || return 1
		[[ $state != Z* ]] || return 1
		printf '%s\n' "${when// /_}"
	fi
}

# group_lives PGID: has the process group a member that is not a zombie?
group_lives() {
	local f=() file pid
	kill -0 -- "-$1" 2>/dev/null || [[ $EUID -ne 0 ]] || return 1
	if [[ -r $proc/self/stat ]]; then
		for file in "$proc"/[1-9]*/stat; do
			pid=${file%/stat} pid=${pid##*/}
			if stat_of "$pid" && [[ ${f[2]} == "$1" && ${f[0]} != [ZX] ]]; then return 0; fi
		done
		return 1
	fi
	ps -A -o pgid= -o stat= | awk -v g="$1" '$1 == g && $2 !~ /^Z/ { found = 1 } END { exit !found }'
}

# running sets pid and succeeds when the server that the pid file names still
# lives. A number that now belongs to somebody else is not the server. When the
# first process is gone but others of its group live, they are the server: a
# number is not given out again while a group still bears it.
running() {
	local mark now
	pid=
	[[ -s $pid_file ]] || return 1
	read -r pid mark <"$pid_file" || return 1
	[[ $pid =~ ^[1-9][0-9]*$ && $pid -gt 1 ]] || return 1
	if now=$(born "$pid"); then
		[[ $now == "$mark" ]]
		return
	fi
	if [[ -r $proc/self/stat ]]; then
		read -r now <"$proc/sys/kernel/random/boot_id"
		[[ ${mark%%/*} == "$now" ]] || return 1
	fi
	group_lives "$pid"
}

# gone SECONDS waits until the server and its children have ended.
gone() {
	local end=$((SECONDS + $1))
	while running; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}
