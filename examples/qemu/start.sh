#!/usr/bin/env bash
# Start hook: boots the machine, unless it runs already.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
need "$QEMU" qemu-system-x86
need perl perl # without it the machine could not be stopped
lock
if running; then exit 0; fi
if [[ ! -s $VM_DIR/vmlinuz || ! -s $VM_DIR/initrd.gz ]]; then
	say "found no kernel and initrd in $VM_DIR: run $here/build.sh, or set VM_DIR"
	exit 1
fi
if [[ -z $ACCEL && -s $VM_DIR/accel ]]; then ACCEL=$(<"$VM_DIR/accel"); fi
boot "${ACCEL:-tcg}"
