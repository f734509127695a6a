#!/usr/bin/env bash
# The long form of what `make test` runs in short: everything that RELIABILITY.md has a figure of, one after the other, on a
# machine that does nothing else. Needs root for the rounds of chaos.
#   [FUZZTIME=2m] scripts/long.sh
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
failed=()

# part NAME COMMAND...: runs it, keeps on after a failure, and tells how long it took.
part() {
	local name=$1 began=$SECONDS
	shift
	echo "long: $name: $*"
	if "$@"; then
		echo "long: $name: fine after $((SECONDS - began)) s"
	else
		failed+=("$name")
		echo "long: $name: FAILED after $((SECONDS - began)) s"
	fi
}

part "states of the lifecycle" "$go" test -count=1 -v -run EveryReachable ./internal/target
part "random lives" "$go" test -count=1 -run RandomLives -timeout=1h ./internal/target -rapid.checks=2000000
part "virtual cycles" env CYCLES=100000 "$go" test -count=1 -v -run VirtualCycles -timeout=2h ./test/cycles
part "real cycles" env REAL_CYCLES=500 "$go" test -count=1 -v -run RealCycles -timeout=2h ./test/cycles
part "crowd" env CROWD=10000 "$go" test -count=1 -v -run Crowd -timeout=20m ./cmd/rouse
part "crash matrix" env CRASH=all "$go" test -count=1 -v -run CrashMatrix -timeout=2h ./test/crash
part "sabotages" "$go" run ./test/sabotage -all
part "fuzzing" ./scripts/fuzz.sh "${FUZZTIME:-2m}"
part "rounds of chaos" make --no-print-directory rounds ROUNDS=300
if [[ ${#failed[@]} != 0 ]]; then
	echo "long: FAILED: ${failed[*]}"
	exit 1
fi
echo "long: all fine"
