package admin

import (
	"context"
	"net"
	"os/user"
	"strconv"
)

// peerKey is under which the context of a request has who sends it.
type peerKey struct{}

// knowPeer notes who has connected: a user of this machine on the unix socket, else an address.
func knowPeer(ctx context.Context, conn net.Conn) context.Context {
	if l, ok := conn.(*limitedConn); ok {
		conn = l.Conn
	}
	who := ""
	switch c := conn.(type) {
	case *net.UnixConn:
		if uid, ok := uidOf(c); ok {
			who = nameOf(uid)
		}
	case *net.TCPConn:
		if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			who = a.IP.String()
		}
	}
	return context.WithValue(ctx, peerKey{}, who)
}

// nameOf is that of a user, or the number of one who has none.
func nameOf(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}
