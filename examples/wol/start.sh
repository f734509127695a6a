#!/usr/bin/env bash
# Start hook: sends magic packets until the machine answers. One packet is not
# enough: it may be lost, and a machine that is still falling asleep ignores it.
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

mac=${WOL_MAC//[:.-]/}
if ! [[ $mac =~ ^[0-9A-Fa-f]{12}$ ]]; then
	say "WOL_MAC must be the network card's address, like 52:54:00:12:34:56, not \"$WOL_MAC\""
	exit 1
fi

if [[ -z $WOL_SENDER ]]; then
	for WOL_SENDER in wakeonlan python3 perl etherwake bash; do
		if command -v "$WOL_SENDER" >/dev/null; then break; fi
	done
fi

# with_bash sends the packet through bash's own /dev/udp. It goes by way of a file,
# because bash may cut its output at a byte that looks like the end of a line.
with_bash() {
	local file i hex=ffffffffffff escaped='' rc=0
	for ((i = 0; i < 16; i++)); do hex+=$mac; done
	for ((i = 0; i < ${#hex}; i += 2)); do escaped+="\\x${hex:i:2}"; done
	file=$(mktemp)
	# shellcheck disable=SC2059 # the format is made of \xNN alone
	printf "$escaped" >"$file"
	cat -- "$file" >"/dev/udp/$WOL_BROADCAST/$WOL_PORT" || rc=1
	rm -f -- "$file"
	return "$rc"
}

# magic sends one packet: six bytes of ones, then the address sixteen times.
magic() {
	local pretty=${mac:0:2}:${mac:2:2}:${mac:4:2}:${mac:6:2}:${mac:8:2}:${mac:10:2}
	case $WOL_SENDER in
	wakeonlan) wakeonlan -i "$WOL_BROADCAST" -p "$WOL_PORT" "$pretty" >/dev/null ;;
	etherwake) etherwake -b -i "${WOL_INTERFACE:-eth0}" "$pretty" ;;
	python3) python3 -c '
import socket, sys
mac, host, port = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.sendto(b"\xff" * 6 + bytes.fromhex(mac) * 16, (host, int(port)))
' "$mac" "$WOL_BROADCAST" "$WOL_PORT" ;;
	perl) perl -MSocket -e '
my ($mac, $host, $port) = @ARGV;
socket(my $s, PF_INET, SOCK_DGRAM, 0) or die "socket: $!\n";
setsockopt($s, SOL_SOCKET, SO_BROADCAST, 1) or die "setsockopt: $!\n";
my $to = inet_aton($host) or die "cannot resolve $host\n";
defined send($s, "\xff" x 6 . pack("H12", $mac) x 16, 0, pack_sockaddr_in($port, $to)) or die "send: $!\n";
' "$mac" "$WOL_BROADCAST" "$WOL_PORT" ;;
	bash) with_bash ;;
	*)
		say "WOL_SENDER must be wakeonlan, python3, perl, etherwake or bash, not \"$WOL_SENDER\""
		exit 1 ;;
	esac
}

end=$((SECONDS + WOL_WAIT))
while :; do
	if ! magic; then
		say "$WOL_SENDER could not send the magic packet to $WOL_BROADCAST: choose another WOL_SENDER or WOL_BROADCAST"
		exit 1
	fi
	rc=0
	up 1 || rc=$?
	case $rc in
	0) exit 0 ;;
	2) exit 1 ;;
	esac
	((SECONDS < end)) || break
	sleep 0.2
done
say "$WOL_HOST did not answer within ${WOL_WAIT}s: is Wake-on-LAN on in its firmware and in \"ethtool\"?"
exit 75
