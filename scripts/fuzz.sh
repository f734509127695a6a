#!/usr/bin/env bash
# Runs every fuzz target of the module for the given time, two at a time.
#   scripts/fuzz.sh [10s]
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${1:-10s}
targets=$(mktemp)
trap 'rm -f "$targets"' EXIT

for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
	grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed "s|^func |$dir |"
done >"$targets"

fuzz_one() {
	local out
	if out=$(go test -run='^$' -fuzz="^$3\$" -fuzztime="$1" -parallel=1 "$2" 2>&1); then
		echo "fuzz $2 $3: $(grep -o 'execs: [0-9]*' <<<"$out" | tail -n 1)"
	else
		echo "fuzz $2 $3: FAILED"
		echo "$out"
		return 1
	fi
}
export -f fuzz_one
# shellcheck disable=SC2016 # the inner bash expands them
xargs -P 2 -L 1 bash -c 'fuzz_one "$0" "$1" "$2"' "$fuzztime" <"$targets"
echo "fuzz: $(wc -l <"$targets") targets, $fuzztime each"
