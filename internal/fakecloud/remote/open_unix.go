//go:build unix

package remote

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// open says whether the other end of a connection is still there: whoever had it may have died a moment ago, before the
// server could notice.
func open(conn net.Conn) bool {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	there := true
	if err := rc.Control(func(fd uintptr) {
		n, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		there = n > 0 || err == unix.EAGAIN
	}); err != nil {
		return false
	}
	return there
}
