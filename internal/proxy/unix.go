package proxy

import (
	"net"

	"github.com/rouse-proxy/rouse/internal/relay"
)

// relayed returns a connection as a relay wants it. Unix sockets have no reset: their peer sees the end of the stream.
func relayed(c net.Conn) relay.Conn {
	if unix, ok := c.(*net.UnixConn); ok {
		return socket{unix}
	}
	return c.(relay.Conn) // of TCP, or of a network of tests
}

type socket struct{ *net.UnixConn }

// SetLinger does nothing: there is nothing that lingers.
func (socket) SetLinger(int) error { return nil }
