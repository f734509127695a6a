package loop

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Most calls below are on descriptors that do not block and therefore return at once: the scheduler need not hear of
// them, which saves a third of the cost of a small one.

// errnoErr avoids an allocation for each error that happens all the time.
func errnoErr(e unix.Errno) error {
	switch e {
	case 0:
		return nil
	case unix.EAGAIN:
		return errAgain
	}
	return e
}

var errAgain error = unix.EAGAIN

// Recv reads what there is into b.
func Recv(fd int, b []byte) (int, error) {
	for {
		n, err := recvFrom(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func recvFrom(fd int, b []byte) (int, error) {
	n, _, e := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if e != 0 {
		return 0, errnoErr(e)
	}
	return int(n), nil
}

// Peek copies what there is into b and leaves it there.
func Peek(fd int, b []byte) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, errnoErr(e)
		}
		return int(n), nil
	}
}

// Send writes as much of b as there is room for. A dead peer gives EPIPE, not a signal.
func Send(fd int, b []byte) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, errnoErr(e)
		}
		return int(n), nil
	}
}

// splice moves up to n bytes from one descriptor to another, of which one is a pipe.
func splice(from, to, n int) (int, error) {
	const flags = unix.SPLICE_F_MOVE | unix.SPLICE_F_NONBLOCK
	for {
		moved, _, e := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), flags)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return 0, errnoErr(e)
		}
		return int(moved), nil
	}
}

func epollCtl(epoll, op, fd int, event *unix.EpollEvent) error {
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	return errnoErr(e)
}

// epollWait rounds the timeout up to milliseconds, so that what is waited for is due then.
func epollWait(epoll int, events []unix.EpollEvent, timeout time.Duration) (int, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(milliseconds(timeout)), 0, 0)
	if e != 0 {
		return 0, errnoErr(e)
	}
	return int(n), nil
}

func milliseconds(d time.Duration) int { return int((d + time.Millisecond - 1) / time.Millisecond) }

// Close closes a descriptor.
func Close(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) // nothing is left to do about an error
}

// Reset closes a socket so that its peer knows that something was lost.
func Reset(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	Close(fd)
}

// Shutdown ends the stream toward the peer.
func Shutdown(fd int) error {
	_, _, e := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errnoErr(e)
}

// Accept takes the next connection of a listener; its descriptor does not block.
func Accept(listener int) (fd int, from netip.AddrPort, err error) {
	var sa unix.RawSockaddrAny
	for {
		size := uint32(unsafe.Sizeof(sa))
		n, _, e := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if e == unix.EINTR {
			continue
		}
		if e != 0 {
			return -1, from, errnoErr(e)
		}
		return int(n), address(&sa), nil
	}
}

// address is the one in sa. An IPv4 client of an IPv6 listener is an IPv4 client.
func address(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), swap(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		ip := netip.AddrFrom16(in.Addr).Unmap()
		if in.Scope_id != 0 && ip.Is6() {
			ip = ip.WithZone(zone(in.Scope_id))
		}
		return netip.AddrPortFrom(ip, swap(in.Port))
	}
	return netip.AddrPort{}
}

func zone(index uint32) string {
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		return i.Name
	}
	return ""
}

// swap turns a port from network order.
func swap(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// ConnectFrom is [Connect] from an address that need not be this machine's; from ours if it is zero.
func ConnectFrom(from netip.Addr, to netip.AddrPort) (fd int, err error) {
	switch {
	case !from.IsValid():
		return Connect(to)
	case from.Is4() != to.Addr().Is4():
		return -1, unix.EAFNOSUPPORT
	}
	fd, err = socket(to)
	if err != nil {
		return -1, err
	}
	if err := pretend(fd, from); err != nil {
		Close(fd)
		return -1, err
	}
	if e := connect(fd, to); e != 0 && e != unix.EINPROGRESS {
		Close(fd)
		return -1, e
	}
	return fd, nil
}

// pretend binds a socket to an address that is not ours (ip(7), IP_TRANSPARENT). Its port is chosen when it connects.
func pretend(fd int, from netip.Addr) error {
	level, transparent, sa := unix.SOL_IPV6, unix.IPV6_TRANSPARENT, unix.Sockaddr(&unix.SockaddrInet6{Addr: from.As16()})
	if from.Is4() {
		level, transparent, sa = unix.SOL_IP, unix.IP_TRANSPARENT, &unix.SockaddrInet4{Addr: from.As4()}
	}
	if err := unix.SetsockoptInt(fd, level, transparent, 1); err != nil {
		return os.NewSyscallError("setsockopt IP_TRANSPARENT", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	return os.NewSyscallError("bind", unix.Bind(fd, sa))
}

// Connect begins a connection to an address without a zone. Success and failure are told by events: Out without Err or
// Hup is success, [SocketError] the failure.
func Connect(to netip.AddrPort) (fd int, err error) {
	if fd, err = socket(to); err != nil {
		return -1, err
	}
	if e := connect(fd, to); e != 0 && e != unix.EINPROGRESS {
		Close(fd)
		return -1, e
	}
	return fd, nil
}

// socket opens one for connections to an address.
func socket(to netip.AddrPort) (fd int, err error) {
	family := unix.AF_INET6
	if to.Addr().Is4() {
		family = unix.AF_INET
	}
	n, _, e := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if e != 0 {
		return -1, e
	}
	return int(n), nil
}

func connect(fd int, to netip.AddrPort) unix.Errno {
	if to.Addr().Is4() {
		sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap(to.Port()), Addr: to.Addr().As4()}
		_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
		return e
	}
	sa := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap(to.Port()), Addr: to.Addr().As16()}
	_, _, e := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa))
	return e
}

// LocalAddr is the address of our end of a connection. It may be that of the other end too: TCP allows that (RFC 9293
// section 3.5), and the system may choose the very port for our end that nobody listens on.
func LocalAddr(fd int) netip.AddrPort {
	var sa unix.RawSockaddrAny
	size := uint32(unsafe.Sizeof(sa))
	if _, _, e := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size))); e != 0 {
		return netip.AddrPort{}
	}
	return address(&sa)
}

// SocketError takes the error that is pending on a socket.
func SocketError(fd int) error {
	e, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	return errnoErr(unix.Errno(e))
}

// NoDelay lets small pieces go out at once (TCP_NODELAY).
func NoDelay(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// KeepAlive makes the system ask an idle peer whether it is still there. Connections that a listener accepts inherit it.
// A dead connection refuses it, which shows soon enough.
func KeepAlive(fd int, k net.KeepAliveConfig) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(k.Idle/time.Second))
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(k.Interval/time.Second))
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, k.Count)
	on := 0
	if k.Enable {
		on = 1
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, on)
}

// Steal takes the descriptor of a connection or listener out of the hands of package net, and closes c. The
// descriptor does not block.
func Steal(c Stealable) (fd int, err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	ctlErr := rc.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3) })
	if ctlErr != nil {
		return -1, ctlErr
	}
	if err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	if err := c.Close(); err != nil {
		Close(fd)
		return -1, err
	}
	return fd, nil
}

// Stealable is a *net.TCPConn, *net.TCPListener and the like.
type Stealable interface {
	syscall.Conn
	Close() error
}
