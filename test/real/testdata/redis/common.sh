# shellcheck shell=bash
# Sourced by the Redis hooks. DIR holds the data, the log, and the pids of all servers
# that were started there.
set -euo pipefail
cd -- "${DIR:?}"
port=${ROUSE_ADDRESS##*:}

# runs sets pid and succeeds while the newest server lives. Its title names its port; a
# zombie has none.
runs() {
	pid=$(tail -n 1 pids 2>/dev/null) && grep -qzF -- ":$port" "/proc/$pid/cmdline" 2>/dev/null
}
