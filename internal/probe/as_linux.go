package probe

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// as lets a socket speak for an address that is not this machine's: ip(7) and ipv6(7), IP_TRANSPARENT. The port is chosen when it
// connects, so that one port may speak with many backends.
func as(network, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		level, transparent := unix.SOL_IP, unix.IP_TRANSPARENT
		if network == "tcp6" {
			level, transparent = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
		}
		if failed = unix.SetsockoptInt(int(fd), level, transparent, 1); failed == nil {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
		}
	})
	if err != nil {
		return err
	}
	return failed
}
