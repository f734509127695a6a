package proxy

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/relay"
)

// TestLoopClientThatComesBeforeTheDoorIsOpenIsLikeOthers: the kernel completes connections as soon as somebody listens. One
// that was there before the listener had its options does not inherit them, and would keep the target awake for ever if its
// client vanished.
func TestLoopClientThatComesBeforeTheDoorIsOpenIsLikeOthers(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		var early []*net.TCPConn
		v := settle(t, &server{boot: bootTime}, rules{loops: loops, early: func(v *village) {
			for range 20 {
				early = append(early, v.client())
			}
		}})
		late := v.client()
		for _, c := range append(early, late) {
			defer c.Close()
			v.chat(c, "hello")
		}
		v.counts(21, 0)
		seen := 0
		v.guests(func(g *guest) {
			seen++
			for what, option := range map[string][3]int{
				"SO_KEEPALIVE":  {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
				"TCP_KEEPIDLE":  {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(relay.KeepAlive().Idle.Seconds())},
				"TCP_KEEPINTVL": {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(relay.KeepAlive().Interval.Seconds())},
				"TCP_KEEPCNT":   {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, relay.KeepAlive().Count},
				"TCP_NODELAY":   {unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			} {
				if got, err := unix.GetsockoptInt(int(g.fd), option[0], option[1]); err != nil || got != option[2] {
					t.Errorf("client %v has %s %d, %v; want %d", g.from, what, got, err, option[2])
				}
			}
		})
		if seen != 21 {
			t.Errorf("%d clients were looked at, want 21", seen)
		}
	})
}
