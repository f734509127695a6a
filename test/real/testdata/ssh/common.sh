# shellcheck shell=bash
# Sourced by the OpenSSH hooks. DIR holds the keys, the log, and the pids of all servers
# that were started there.
set -euo pipefail
cd -- "${DIR:?}"

# runs sets pid and succeeds while the newest server lives; a zombie has no command line.
runs() {
	pid=$(tail -n 1 pids 2>/dev/null) && grep -qzF -- "$DIR" "/proc/$pid/cmdline" 2>/dev/null
}
