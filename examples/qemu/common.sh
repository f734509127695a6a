# shellcheck shell=bash
# Settings and shared functions of the QEMU hooks. Sourced by them, not run.
# Edit a value here, or leave it and pass --hook-env=NAME=VALUE to rouse.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)

# Where build.sh puts the kernel and the initrd.
VM_DIR=${VM_DIR:-$here/vm}
# Where a running machine keeps its pid, control socket, console log and lock. One
# folder for each machine. Nobody else may write there.
RUN_DIR=${RUN_DIR:-$VM_DIR/run}
# Ports of this host that lead into the guest, "HOSTPORT:GUESTPORT ...", and the
# address that they are bound to.
FORWARDS=${FORWARDS:-18080:8080 17000:7000 17001:7001}
HOST_IP=${HOST_IP:-127.0.0.1}
# kvm or tcg (emulation). Empty: what build.sh has found to work.
ACCEL=${ACCEL:-}
# Memory of the guest in MiB.
MEMORY=${MEMORY:-128}
# Words for the guest's kernel command line. This guest knows guest.delay=SECONDS
# (its services come late), guest.linger=SECONDS (it shuts down slowly) and
# guest.deaf=1 (it ignores the power button).
GUEST=${GUEST:-}
# Seconds that the guest has to shut down before the plug is pulled. Keep
# --stop-timeout above it.
GRACE=${GRACE:-30}
QEMU=${QEMU:-qemu-system-x86_64}

[[ $VM_DIR == /* ]] || VM_DIR=$PWD/$VM_DIR
[[ $RUN_DIR == /* ]] || RUN_DIR=$PWD/$RUN_DIR
pid_file=$RUN_DIR/qemu.pid

say() { printf '%s\n' "$*" >&2; }

# need PROGRAM PACKAGE ends the script when a program is missing.
need() {
	command -v "$1" >/dev/null || { say "found no program \"$1\" in $PATH: install it (Debian: $2)"; exit 1; }
}

# lock takes the lock of this machine: one hook at a time.
lock() {
	need flock util-linux
	(umask 077 && mkdir -p -- "$RUN_DIR")
	exec 9>"$RUN_DIR/lock"
	flock -w 10 9 || { say "another hook is still busy with this machine: try again soon"; exit 75; }
}

# running sets pid and succeeds when this machine's QEMU lives. A pid file proves
# nothing: the number may be another program's by now, or a zombie's. Only our QEMU
# has this very pid file among its arguments, and a zombie has no arguments.
running() {
	pid=
	[[ -s $pid_file ]] || return 1
	read -r pid <"$pid_file" || return 1
	[[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
	grep -qzxF -- "$pid_file" "/proc/$pid/cmdline" 2>/dev/null
}

# gone SECONDS waits until QEMU has ended.
gone() {
	local end=$((SECONDS + $1))
	while running; do
		((SECONDS < end)) || return 1
		sleep 0.1
	done
}

# press_power_button asks the guest to shut down, through QEMU's control socket.
# QEMU speaks first, and takes no command before its capabilities are acknowledged.
press_power_button() (
	cd -- "$RUN_DIR"
	perl -MIO::Socket::UNIX -e '
		alarm 5;
		my $qemu = IO::Socket::UNIX->new(Peer => $ARGV[0]) or exit 1;
		<$qemu> // exit 1;
		for my $command ("qmp_capabilities", "system_powerdown") {
			syswrite($qemu, "{\"execute\":\"$command\"}\n") or exit 1;
			while (1) {
				my $line = <$qemu> // exit 1;
				exit 1 if $line =~ /^\{"error"/;
				last if $line =~ /^\{"return"/;
			}
		}
	' qmp.sock
)

# boot ACCEL puts QEMU into the background. It returns when the machine is set up,
# which is long before the guest serves. QEMU opens its socket and console by their
# bare names: it would trip over a comma in the path, the kernel over its length. The
# lock is closed for QEMU, which would hold it for as long as it runs.
boot() (
	forwards='' cpu=max
	if [[ $1 == kvm ]]; then cpu=host; fi
	for pair in $FORWARDS; do forwards+=",hostfwd=tcp:$HOST_IP:${pair%%:*}-:${pair##*:}"; done
	cd -- "$RUN_DIR"
	rm -f -- qemu.pid qmp.sock
	exec "$QEMU" -name rouse-guest -nodefaults -no-user-config -display none -no-reboot -daemonize -pidfile "$pid_file" \
		-machine "q35,accel=$1" -cpu "$cpu" -smp 1 -m "$MEMORY" \
		-qmp unix:qmp.sock,server=on,wait=off -serial file:console.log \
		-netdev "user,id=net0$forwards" -device virtio-net-pci,netdev=net0 \
		-kernel "$VM_DIR/vmlinuz" -initrd "$VM_DIR/initrd.gz" \
		-append "console=ttyS0 quiet panic=-1 no_timer_check $GUEST" </dev/null >/dev/null 9>&-
)
