#!/usr/bin/env bash
# Stop hook: presses the power button, waits until QEMU is gone, pulls the plug after
# GRACE seconds.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
need perl perl
lock
# A guest that still boots misses the button, so it is pressed again and again.
end=$((SECONDS + GRACE))
while running && ((SECONDS < end)); do
	press_power_button || true
	left=$((end - SECONDS))
	gone "$((left < 3 ? left : 3))" || true
done

# QEMU ends in order on TERM, but for the guest it is a power cut.
if running; then
	say "the guest has not shut down in ${GRACE}s: pulling the plug"
	kill -TERM "$pid" 2>/dev/null || true
	gone 5 || kill -KILL "$pid" 2>/dev/null || true
	gone 10 || { say "QEMU (process $pid) does not go away"; exit 1; }
fi
rm -f -- "$pid_file" "$RUN_DIR/qmp.sock"
