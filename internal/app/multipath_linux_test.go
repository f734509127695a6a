package app

import (
	"net"
	"syscall"
	"testing"
)

// TestListenersAreOfPlainTCP: of a multipath connection the kernel does not tell that its client has left. Where the kernel
// knows none, this shows nothing.
func TestListenersAreOfPlainTCP(t *testing.T) {
	a, err := New(Options{Config: plan(t, freeAddr(t))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, l := range a.listeners {
		raw, err := l.Listener.(*net.TCPListener).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var protocol int
		var optErr error
		err = raw.Control(func(fd uintptr) {
			protocol, optErr = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_PROTOCOL)
		})
		if err != nil || optErr != nil || protocol != syscall.IPPROTO_TCP {
			t.Errorf("the listener is of protocol %d, %v, %v", protocol, err, optErr)
		}
	}
}
