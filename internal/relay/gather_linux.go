package relay

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/loop"
)

const (
	gatherSize  = 512 << 10            // bytes that are waited for
	gatherTime  = 2 * time.Millisecond // and for how long at most
	gatherLeast = 64 << 10             // less than this in that time, and bytes are read as they come
)

// gather is how the bytes of a long bulk stream come in lumps that are worth a wake-up: the kernel tells only of so many
// (socket(7), SO_RCVLOWAT), or of an end or failure. A timer sees to what does not come to so many. So the last piece of a
// stream that pauses comes by that much later, and only after megabytes of bulk.
type gather struct {
	link  *Link
	side  side
	seen  int64 // bytes moved when the timer was armed
	timer loop.Timer
}

// gathers says whether s's bytes gather now, after n were read. It begins that if need be.
func (k *Link) gathers(s side, n int) bool {
	from := k.at(s)
	if from.gather == nil {
		if unix.SetsockoptInt(int(from.fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, gatherSize) != nil {
			return false
		}
		from.gather = &gather{link: k, side: s}
		from.gather.timer = loop.NewTimer(from.gather)
		from.gather.wait()
		return false // what came in between may be enough, and is told by no event
	}
	if n >= gatherSize {
		return false
	}
	left, err := unix.IoctlGetInt(int(from.fd), unix.SIOCINQ) // a pipe takes only so many pieces, however small they are
	return err == nil && left < gatherSize
}

func (g *gather) wait() {
	g.seen = g.link.at(g.side).moved
	g.link.loop.Arm(&g.timer, gatherTime)
}

// scatter ends the gathering.
func (k *Link) scatter(s side) {
	from := k.at(s)
	if from.gather == nil {
		return
	}
	k.loop.Disarm(&from.gather.timer)
	from.gather = nil
	from.long = 0
	if !k.told {
		_ = unix.SetsockoptInt(int(from.fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, 1) // it could be set before
	}
}

// Do is for the loop: what has gathered is read, be it enough or not.
func (g *gather) Do() {
	from := g.link.at(g.side)
	if from.moved-g.seen < gatherLeast {
		g.link.scatter(g.side)
	} else {
		g.wait()
	}
	from.set(readable)
	g.link.later()
}

// Contain is for the loop.
func (g *gather) Contain(panicked any) { g.link.Contain(panicked) }
