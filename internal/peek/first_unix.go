//go:build unix

package peek

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const supported = true

func first(c net.Conn, rc syscall.RawConn, b []byte) (n int, err error) {
	waitErr := rc.Read(func(fd uintptr) bool {
		n, err = recvPeek(int(fd), b)
		return err != unix.EAGAIN
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, &net.OpError{
			Op: "peek", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(),
			Err: os.NewSyscallError("recvfrom", err),
		}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func recvPeek(fd int, b []byte) (n int, err error) {
	for {
		n, _, err = unix.Recvfrom(fd, b, unix.MSG_PEEK)
		if err != unix.EINTR {
			return n, err
		}
	}
}
