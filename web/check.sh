#!/usr/bin/env bash
# Whether the dashboard's sources are right, and the built files in the tree are theirs. Needs Node; without it, it says so and is content.
set -euo pipefail
cd "$(dirname "$0")"
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	echo "web: no Node.js here: the sources of the dashboard are not checked"
	exit 0
fi
npm ci --no-audit --no-fund --loglevel=error
npx --no-install tsc --noEmit
npx --no-install vitest run
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
npx --no-install vite build --outDir "$built" --emptyOutDir --logLevel warn
if ! diff -r "$built" ../internal/web/dist; then
	echo "web: internal/web/dist is not what web/ builds: run npm run build in web/, and commit what it writes"
	exit 1
fi
echo "web: the sources are right, and the built files are theirs"
