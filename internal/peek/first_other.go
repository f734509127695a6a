//go:build !unix

package peek

import (
	"errors"
	"net"
	"syscall"
)

// supported is false where sockets are not file descriptors: nothing is looked at there.
const supported = false

func first(net.Conn, syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }
