//go:build !linux

package probe

import (
	"context"
	"net"
)

func (c *chase) run(context.Context) (net.Conn, error) { return nil, errNoChase }
