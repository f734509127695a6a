package peek

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// look asks poll(2) before it counts the queue: an end of stream that was seen has all its bytes before it queued
// already. poll does not take a pending error, as reading or SO_ERROR would.
func look(fd int) (g glance, err error) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	if err := retry(func() error { _, err := unix.Poll(p, 0); return err }); err != nil {
		return g, os.NewSyscallError("poll", err)
	}
	g.dead = p[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
	g.ended = p[0].Revents&unix.POLLRDHUP != 0
	g.queued, err = unix.IoctlGetInt(fd, unix.SIOCINQ)
	return g, os.NewSyscallError("ioctl", err)
}

// ended asks recvmsg(2) for what would be queued after it (tcp(7), TCP_INQ). The kernel answers at least 1 when an end of
// stream has arrived, also when a reset came behind it, and nothing else tells that. An error, among them that of a
// reset, means that there was none.
func ended(fd int) (bool, error) {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_INQ, 1); err != nil {
		return false, os.NewSyscallError("setsockopt", err)
	}
	var n, oobn int
	oob := make([]byte, unix.CmsgSpace(4))
	err := retry(func() (err error) {
		n, oobn, _, _, err = unix.Recvmsg(fd, make([]byte, 1), oob, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err
	})
	if err != nil || n > 0 {
		return false, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return false, err
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_TCP && m.Header.Type == unix.TCP_CM_INQ {
			return binary.NativeEndian.Uint32(m.Data) > 0, nil
		}
	}
	return false, errors.ErrUnsupported // a kernel before 4.18
}

func unsent(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	return n, os.NewSyscallError("ioctl", err)
}

func delivered(fd int) (int64, error) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt", err)
	}
	return int64(info.Bytes_acked), nil
}

func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
