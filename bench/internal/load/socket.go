//go:build linux

package load

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/bench/internal/wire"
)

// errEnded says that a connection ended while more was due from it.
var errEnded = errors.New("the connection was closed early")

// dial connects, blocking, and sends first. The descriptor blocks.
func dial(addr netip.AddrPort, first []byte) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // measured without it is still measured
	to := &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINTR) {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	if n, err := unix.Write(fd, first); err != nil || n != len(first) {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("sending the first %d bytes to %s: %w", len(first), addr, err)
	}
	return fd, nil
}

// dialAll opens n connections that do not block.
func dialAll(addr netip.AddrPort, n int, first []byte) ([]int, error) {
	var fds []int
	for range n {
		fd, err := dial(addr, first)
		if err != nil {
			closeAll(fds)
			return nil, err
		}
		fds = append(fds, fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			closeAll(fds)
			return nil, os.NewSyscallError("fcntl", err)
		}
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// abort closes with a reset, so that what is still queued disappears at once.
func abort(fds []int) {
	for _, fd := range fds {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		_ = unix.Close(fd)
	}
}

// readByte reads one byte of an echo from a blocking descriptor.
func readByte(fd int, b []byte) error {
	for {
		n, err := unix.Read(fd, b[:1])
		switch {
		case n == 1:
			return nil
		case err == nil:
			return errEnded
		case !errors.Is(err, unix.EINTR):
			return err
		}
	}
}

// later reports whether err only says: not now.
func later(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

// poll is a level-triggered epoll set.
type poll struct {
	fd     int
	events [256]unix.EpollEvent
}

func newPoll(fds []int, events uint32) (*poll, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	p := &poll{fd: epfd}
	for i, fd := range fds {
		if err := p.add(fd, i, events); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

// add watches fd; wait will name it by index.
func (p *poll) add(fd, index int, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(index)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &ev))
}

func (p *poll) forget(fd int) { _ = unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, fd, nil) }

func (p *poll) close() { _ = unix.Close(p.fd) }

// wait gives what is ready, or nothing once the time is over.
func (p *poll) wait(until time.Time) ([]unix.EpollEvent, error) {
	left := time.Until(until)
	if left <= 0 {
		return nil, nil
	}
	n, err := unix.EpollWait(p.fd, p.events[:], int(left.Milliseconds())+1)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return nil, os.NewSyscallError("epoll_wait", err)
	}
	return p.events[:max(n, 0)], nil
}

// hello is the header of an echo connection with the first byte to be echoed.
func hello() []byte { return append(wire.Header(wire.Echo, 0), '?') }
