#!/usr/bin/env bash
# Runs the tests of the data path again as an ordinary user: root is allowed what others are not (many large pipes), and
# so hides what happens to them.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(loop relay proxy gate probe)

if [[ $(id -u) != 0 ]]; then
	echo "unprivileged: we are no root, so the tests have been run so already"
	exit 0
fi
if ! command -v setpriv >/dev/null; then
	echo "unprivileged: left out, there is no setpriv here"
	exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/home"
for package in "${packages[@]}"; do
	${GO:-go} test -c -o "$dir/$package.test" "./internal/$package"
done
chmod -R a+rX "$dir"
chmod 0777 "$dir/home"
for package in "${packages[@]}"; do
	echo "unprivileged: internal/$package"
	(cd "$dir/home" && env -i PATH="$PATH" HOME="$dir/home" TMPDIR="$dir/home" \
		setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all \
		"$dir/$package.test" -test.shuffle=on -test.timeout=10m)
done
