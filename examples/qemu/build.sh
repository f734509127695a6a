#!/usr/bin/env bash
# Makes a kernel and an initrd for a tiny guest in VM_DIR, from two Debian packages:
# the cloud kernel and a static busybox. Nothing is installed and no root is needed.
# A second run uses the packages again that the first has downloaded.
#
# The guest has the address 10.0.2.15 and serves
#   8080  HTTP: / and /cgi-bin/boot, which names the boot and its age
#   7000  echo: sends back what it gets
#   7001  banner: speaks first, one line that names the boot, then echo
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

KERNEL_PACKAGE=${KERNEL_PACKAGE:-linux-image-cloud-amd64}
BUSYBOX_PACKAGE=${BUSYBOX_PACKAGE:-busybox-static}
# Seconds that a trial boot with KVM gets.
KVM_TRIAL=${KVM_TRIAL:-15}

need apt-get apt
need apt-cache apt
need dpkg-deb dpkg
mkdir -p -- "$VM_DIR/packages"
VM_DIR=$(cd -- "$VM_DIR" && pwd -P)
work=$(mktemp -d)
# end leaves nothing behind, not even a machine on trial.
end() {
	if [[ $RUN_DIR == "$work"/* ]] && running; then kill -KILL "$pid" 2>/dev/null || true; fi
	rm -rf -- "$work"
}
trap end EXIT

# unpack PACKAGE DIR unpacks a package, downloading it if need be.
unpack() {
	local file
	file=$(find "$VM_DIR/packages" -name "$1_*.deb" -print -quit)
	if [[ -z $file ]]; then
		(cd -- "$VM_DIR/packages" && apt-get download -qq "$1" 2>"$work/apt.log") || {
			cat -- "$work/apt.log" >&2
			say "cannot download the package $1: run \"apt-get update\"; these packages are Debian's, for amd64"
			exit 1
		}
		file=$(find "$VM_DIR/packages" -name "$1_*.deb" -print -quit)
	fi
	dpkg-deb -x "$file" "$2"
}

# The package with the plain name only points to the newest kernel.
real=$(apt-cache depends "$KERNEL_PACKAGE" 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
unpack "${real:-$KERNEL_PACKAGE}" "$work/kernel"
unpack "$BUSYBOX_PACKAGE" "$work/busybox"
bb=$(find "$work/busybox" -type f -path '*/bin/busybox' -print -quit)
modules=$(find "$work/kernel" -type d -path '*/lib/modules/*' -name kernel -print -quit)
modules=${modules%/kernel}
release=${modules##*/}
if [[ -z $bb || -z $release ]]; then
	say "the packages hold no busybox or no kernel modules: check KERNEL_PACKAGE and BUSYBOX_PACKAGE"
	exit 1
fi

# Modules: those we load, and all that these depend on. busybox writes the list.
find "$modules" -name '*.ko.xz' -exec "$bb" unxz {} +
"$bb" depmod -b "${modules%/lib/modules/*}" "$release"
root=$work/root
mkdir -p "$root"/{bin,dev,etc/acpi/PWRF,lib/modules/"$release",proc,run,sys,www/cgi-bin}
awk -F'[: ]+' '$1 ~ /\/(virtio_pci|virtio_net|button|evdev)\.ko$/ { for (i = 1; i <= NF; i++) if ($i != "") print $i }' "$modules/modules.dep" |
	sort -u | while IFS= read -r module; do
		[[ -n $module ]] || continue
		mkdir -p "$root/lib/modules/$release/${module%/*}"
		cp -- "$modules/$module" "$root/lib/modules/$release/$module"
	done
"$bb" depmod -b "$root" "$release"
install -m 755 "$bb" "$root/bin/busybox"

cat >"$root/init" <<'INIT'
#!/bin/busybox sh
# The guest's first process: network, power button, three services.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
echo "guest: booted"
delay=0 linger=0 deaf=0
for word in $(cat /proc/cmdline); do
	case $word in
	guest.delay=*) delay=${word#*=} ;;
	guest.linger=*) linger=${word#*=} ;;
	guest.deaf=*) deaf=${word#*=} ;;
	guest.trial) poweroff -f ;;
	esac
done
echo "$linger" >/run/linger
for module in button evdev virtio_pci virtio_net; do modprobe "$module"; done
[ "$deaf" = 1 ] || acpid -l /dev/null
ip link set lo up
while ! ip link set eth0 up 2>/dev/null; do usleep 20000; done
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
sleep "$delay"
httpd -p 8080 -h /www
nc -ll -p 7000 -e cat &
nc -ll -p 7001 -e banner &
echo "guest: serves"
while :; do sleep 3600; done
INIT
cat >"$root/bin/boot" <<'BOOT'
#!/bin/busybox sh
echo "boot=$(cat /proc/sys/kernel/random/boot_id) age=$(cut -d' ' -f1 /proc/uptime)"
BOOT
cat >"$root/bin/banner" <<'BANNER'
#!/bin/busybox sh
echo "HELLO $(boot)"
exec cat
BANNER
cat >"$root/www/cgi-bin/boot" <<'CGI'
#!/bin/busybox sh
printf 'Content-Type: text/plain\r\n\r\n'
exec boot
CGI
echo "a tiny guest" >"$root/www/index.html"
# acpid runs this when the power button is pressed, once for each press.
cat >"$root/etc/acpi/PWRF/00000080" <<'BUTTON'
#!/bin/busybox sh
mkdir /run/stopping || exit 0
echo "guest: power button" >/dev/console
sleep "$(cat /run/linger)"
sync
poweroff -f
BUTTON
chmod 755 "$root"/{init,bin/boot,bin/banner,www/cgi-bin/boot,etc/acpi/PWRF/00000080}

# The same packages give the same bytes, where busybox can leave inode numbers out.
same=()
if "$bb" cpio --help 2>&1 | grep -q renumber-inodes; then same=(--ignore-devno --renumber-inodes); fi
find "$root" -exec touch -h -d @0 {} +
(cd -- "$root" && find . | LC_ALL=C sort | "$bb" cpio -o -H newc -R 0:0 "${same[@]}" 2>/dev/null) | gzip -9n >"$VM_DIR/initrd.new"
# Both files are put in place whole: a machine may be started meanwhile.
install -m 644 "$work"/kernel/boot/vmlinuz-* "$VM_DIR/vmlinuz.new"
mv -f -- "$VM_DIR/initrd.new" "$VM_DIR/initrd.gz"
mv -f -- "$VM_DIR/vmlinuz.new" "$VM_DIR/vmlinuz"

# kvm_boots: does this guest really boot with KVM? That /dev/kvm opens and that QEMU
# runs prove nothing: inside some virtual machines the kernel then never gets up.
kvm_boots() {
	[[ -w /dev/kvm ]] && command -v "$QEMU" >/dev/null || return 1
	RUN_DIR=$work/trial pid_file=$work/trial/qemu.pid FORWARDS='' GUEST=guest.trial
	mkdir -- "$RUN_DIR"
	boot kvm 2>/dev/null || return 1
	gone "$KVM_TRIAL" || true
	if running; then kill -KILL "$pid" 2>/dev/null && gone 5; fi
	grep -q '^guest: booted' "$RUN_DIR/console.log"
}
[[ -n $ACCEL ]] || { if kvm_boots; then ACCEL=kvm; else ACCEL=tcg; fi; }
printf '%s\n' "$ACCEL" >"$VM_DIR/accel"
say "kernel $release in $VM_DIR, accelerator $ACCEL"
