//go:build !linux

package proxy

import (
	"context"
	"net"
)

// serveLoops serves nothing: there are no loops on this system.
func (*Listener) serveLoops(_, _ context.Context, _ net.Listener) (bool, error) { return false, nil }
