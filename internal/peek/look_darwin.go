package peek

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// States of a TCP connection as xnu's netinet/tcp_fsm.h numbers them.
const (
	stateClosed    = 0
	stateCloseWait = 5
	stateClosing   = 7
	stateLastAck   = 8
	stateTimeWait  = 10
)

// fionread is FIONREAD of xnu's sys/filio.h.
const fionread = 0x4004667f

// look asks for the state of the connection: poll(2) says POLLHUP for a half-closed one too. The system has
// nothing to say of a connection that it has dropped, and says so with EINVAL.
func look(fd int) (g glance, err error) {
	info, err := unix.GetsockoptTCPConnectionInfo(fd, unix.IPPROTO_TCP, unix.TCP_CONNECTION_INFO)
	switch err {
	case nil:
	case unix.EINVAL:
		return glance{ended: true, dead: true}, nil
	default:
		return g, os.NewSyscallError("getsockopt", err)
	}
	switch info.State {
	case stateClosed:
		g.ended, g.dead = true, true
	case stateCloseWait, stateClosing, stateLastAck, stateTimeWait:
		g.ended = true
	}
	g.queued, err = unix.IoctlGetInt(fd, fionread)
	return g, os.NewSyscallError("ioctl", err)
}

func unsent(fd int) (int, error) {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NWRITE)
	return n, os.NewSyscallError("getsockopt", err)
}

func delivered(int) (int64, error) { return 0, errors.ErrUnsupported }
func ended(int) (bool, error)      { return false, errors.ErrUnsupported }
func vanished(int) (bool, error)   { return false, errors.ErrUnsupported }
