#!/usr/bin/env bash
# Installs the Debian packages that tests use, where that is possible: as root, with
# apt-get. Elsewhere it says what is missing; the tests concerned then skip with the reason.
# With the argument "bench": the proxies that `make bench` compares rouse with, and perf. With "chaos": what
# `make chaos` breaks networks with.
set -euo pipefail
users="the tests" without="tests that need these packages will be skipped"

# command:package
wanted=(
	pg_isready:postgresql-client
	pgbench:postgresql-contrib
	redis-server:redis-server
	redis-cli:redis-tools
	ssh:openssh-client
	sshd:openssh-server
	qemu-system-x86_64:qemu-system-x86
	cpio:cpio
	socat:socat
	nc:netcat-openbsd
	curl:curl
	haproxy:haproxy
	nginx:nginx
	openssl:openssl
	shellcheck:shellcheck
	setpriv:util-linux
	ip:iproute2
	nft:nftables
	gcc:gcc
	ss:iproute2
	unshare:util-linux
	/usr/bin/chromium:chromium
	promtool:prometheus
)
if [[ ${1:-} == bench ]]; then
	users="the benchmarks" without="the benchmarks leave out what these packages bring"
	wanted=(
		haproxy:haproxy
		nginx:nginx
		/usr/lib/nginx/modules/ngx_stream_module.so:libnginx-mod-stream
		socat:socat
		/usr/lib/systemd/systemd-socket-proxyd:systemd
		perf:linux-perf
	)
elif [[ ${1:-} == chaos ]]; then
	users="the towns" without="the towns leave out what these packages bring"
	wanted=(ip:iproute2 ss:iproute2 nft:nftables unshare:util-linux)
fi

PATH=$PATH:/usr/sbin:/sbin
missing=()
for pair in "${wanted[@]}"; do
	[[ -e ${pair%%:*} ]] || command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
[[ -n ${1:-} ]] || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql postgresql-contrib)
if [[ ${#missing[@]} == 0 ]]; then
	echo "setup: everything that $users use is here"
	exit 0
fi
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
	echo "setup: not root, or no apt-get: $without: ${missing[*]}"
	exit 0
fi

# Debian starts a daemon as soon as its package is installed; tests and benchmarks start their own.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 0755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
echo "setup: installing ${missing[*]}"
apt-get update -q >/dev/null || echo "setup: apt-get update failed; trying with the lists at hand"
log=$(mktemp)
if ! apt-get install -y -q --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
	tail -n 20 "$log"
	echo "setup: could not install: $without: ${missing[*]}"
fi
rm -f "$log"
