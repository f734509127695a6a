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

# A find is made smaller in at most so many steps: by default that takes up to a minute, in which nothing is tried. And Go up to 1.26 may fail
# with "context deadline exceeded" at the end of the time although nothing was found (golang/go issue 75804): what it finds it writes down.
fuzz_one() {
	local out
	if out=$(go test -run='^$' -fuzz="^$3\$" -fuzztime="$1" -fuzzminimizetime=100x -parallel=1 "$2" 2>&1) ||
		{ grep -q '^    context deadline exceeded$' <<<"$out" && ! grep -q 'Failing input' <<<"$out"; }; then
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
