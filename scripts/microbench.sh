#!/usr/bin/env bash
# Measures the parts of rouse. With a git ref it measures that version too, in turns with this one, so that a slow moment
# of the machine strikes both, and compares them. What the other version lacks is left out.
#   [COUNT=6] [PARTS=loop] scripts/microbench.sh [ref]
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
ref=${1:-}
count=${COUNT:-6}
go=${GO:-go}
out=$here/bin/microbench
tmp=$(mktemp -d)
trap 'cd "$here"; git worktree remove --force "$tmp/tree" 2>/dev/null || true; rm -rf "$tmp"' EXIT
mkdir -p "$out"

# Which benchmarks of which package, and for how long each.
parts() {
	grep -E "${PARTS:-.}" <<-'END'
		loop . 200ms
		target . 200ms
		relay Throughput 500ms
		probe Detect 20x
		probe Waiting 1x
		app FirstByte 20x
	END
}

# build NAME TREE: the test programs of a version.
build() {
	cd "$2"
	for package in $(parts | cut -d' ' -f1 | sort -u); do
		if ! "$go" test -c -o "$tmp/$1.$package" "./internal/$package" >"$tmp/log" 2>&1; then
			echo "$1: no benchmarks of internal/$package: $(tail -n 1 "$tmp/log")" >&2
		fi
	done
	: >"$out/$1.txt"
}

# measure NAME TREE: everything once.
measure() {
	parts | while read -r package bench time; do
		[ -x "$tmp/$1.$package" ] || continue
		cd "$2/internal/$package"
		"$tmp/$1.$package" -test.run='^$' -test.bench="$bench" -test.benchtime="$time" >>"$out/$1.txt"
	done
}

if [ -n "$ref" ]; then
	git worktree add --quiet --detach "$tmp/tree" "$ref"
	build old "$tmp/tree"
fi
build new "$here"
for turn in $(seq "$count"); do
	echo "microbench: turn $turn of $count" >&2
	[ -z "$ref" ] || measure old "$tmp/tree"
	measure new "$here"
done
cd "$here"
if [ -n "$ref" ]; then
	"$go" tool benchstat old="$out/old.txt" new="$out/new.txt"
else
	"$go" tool benchstat new="$out/new.txt"
fi
