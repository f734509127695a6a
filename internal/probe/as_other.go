//go:build !linux

package probe

import (
	"errors"
	"syscall"
)

// as lets a socket speak for an address that is not this machine's, which rouse knows how to do on Linux only.
func as(string, string, syscall.RawConn) error {
	return errors.New("only on Linux can rouse connect from the address of a client")
}
