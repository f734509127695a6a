package relay

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
)

// How much one direction moves in one piece of work, and how bulk is told from the rest.
const (
	piece      = 256 << 10 // bytes; a splice may go beyond
	shortLump  = 16 << 10  // of a splice
	lumpsCease = 4         // so many short splices in a row, and bytes are copied again
	lumpsBulk  = 16        // so many long ones, and it is worth while to let more gather
)

// parked bytes are in a pipe or in a copy.
type parked struct {
	pipe  *loop.Pipe
	bytes []byte
}

// pump moves a piece of what s has sent. It reports whether more could be moved at once.
func (k *Link) pump(s side) (more bool) {
	for budget := piece; budget > 0; {
		n, ok := k.step(s)
		if !ok {
			return false
		}
		budget -= n
	}
	return true
}

// step moves what one call gives. It is not ok when no more can be moved now.
func (k *Link) step(s side) (n int, ok bool) {
	from, to := k.at(s), k.at(s.other())
	switch {
	case k.done, side(k.failed) == s.other(): // nobody reads it any more
		return 0, false
	case !to.is(writable):
		return 0, false
	case from.parked != nil:
		return k.unpark(s), true
	case from.is(dry), !from.is(readable):
		return 0, false
	case from.is(bulk) && !from.is(urgent):
		return k.splice(s), true
	}
	return k.copy(s), true
}

// copy moves what one read gives. A read that is not full has taken everything, unless an end, a failure or urgent data
// stands behind it, of which no other event will tell.
func (k *Link) copy(s side) int {
	from := k.at(s)
	buf := k.loop.Scratch()
	n, err := loop.Recv(int(from.fd), buf)
	switch {
	case n > 0:
		if n == len(buf) && !from.is(urgent) {
			from.set(bulk)
		}
		if n < len(buf) && !from.is(hangup|broken|closed|urgent) {
			from.clear(readable)
		}
		k.give(s, buf[:n])
	default:
		k.stopped(s, err)
	}
	return max(n, 1)
}

// give sends b, which s has sent, to the other side, and parks what finds no room.
func (k *Link) give(s side, b []byte) {
	to := k.at(s.other())
	to.writes()
	n, err := loop.Send(int(to.fd), b)
	k.moved(s, n)
	switch {
	case err != nil && err != unix.EAGAIN:
		k.fail(s.other(), os.NewSyscallError("sendto", err))
	case n < len(b):
		to.clear(writable)
		k.at(s).parked = &parked{bytes: append([]byte(nil), b[n:]...)}
	}
}

// writes comes before each write. Nagle's algorithm holds back only what follows something under way, so the first needs
// no system call to end it.
func (e *end) writes() {
	if e.is(nagling) && e.is(written) {
		loop.NoDelay(int(e.fd))
		e.clear(nagling)
	}
	e.set(written)
}

// splice moves bytes through a pipe, or by a copy when there is no pipe to be had.
func (k *Link) splice(s side) int {
	from := k.at(s)
	pipe := k.loop.TakePipe()
	if pipe == nil {
		k.light(s)
		return k.copy(s)
	}
	n, err := pipe.Fill(int(from.fd))
	if n > 0 {
		from.parked = &parked{pipe: pipe}
		k.weigh(s, n, pipe.Size() >= 2*gatherSize)
		k.unpark(s)
		return n
	}
	k.loop.GivePipe(pipe)
	if err == nil { // the end of the stream, or urgent data, before which a splice stops: a read tells
		k.light(s)
		return k.copy(s)
	}
	k.stopped(s, err)
	return 1
}

// weigh goes back to copying when little comes at a time. A long stream's bytes may gather: then nothing more is read
// until many are there. A pipe that is not large never takes as many.
func (k *Link) weigh(s side, n int, large bool) {
	from := k.at(s)
	if n < shortLump {
		from.long = 0
		if from.short++; from.short >= lumpsCease {
			k.light(s)
		}
		return
	}
	from.short, from.long = 0, min(from.long+1, lumpsBulk)
	k.heavy = k.heavy || from.long == lumpsBulk
	if large && from.long == lumpsBulk && !from.is(hangup|broken|closed) && k.gathers(s, n) {
		from.clear(readable)
	}
}

// light ends bulk.
func (k *Link) light(s side) {
	from := k.at(s)
	k.scatter(s)
	from.clear(bulk)
	from.short, from.long = 0, 0
}

// unpark gives the other side what it had no room for.
func (k *Link) unpark(s side) int {
	from, to := k.at(s), k.at(s.other())
	p := from.parked
	to.writes()
	n, err := 0, error(nil)
	if p.pipe != nil {
		n, err = p.pipe.Empty(int(to.fd))
	} else {
		n, err = loop.Send(int(to.fd), p.bytes)
		p.bytes = p.bytes[n:]
	}
	k.moved(s, n)
	switch {
	case err == unix.EAGAIN:
		to.clear(writable)
	case err != nil:
		k.fail(s.other(), os.NewSyscallError("sendto", err))
	case p.left() == 0:
		k.unparked(s)
	}
	return max(n, 1)
}

func (p *parked) left() int {
	if p.pipe != nil {
		return p.pipe.Held()
	}
	return len(p.bytes)
}

func (k *Link) unparked(s side) {
	k.drop(s)
	if from := k.at(s); from.is(ended) {
		k.passEnd(s)
	}
}

// drop lets go of what is parked.
func (k *Link) drop(s side) {
	from := k.at(s)
	if from.parked != nil && from.parked.pipe != nil {
		k.loop.GivePipe(from.parked.pipe)
	}
	from.parked = nil
}

func (k *Link) moved(s side, n int) {
	if n > 0 {
		from := k.at(s)
		from.moved += int64(n)
		k.meter.count(s, n)
		from.last = k.loop.Clock()
		k.patrol.follow(k)
	}
}

// stopped notes that a read gave nothing: there is nothing yet, or there will be nothing more.
func (k *Link) stopped(s side, err error) {
	from := k.at(s)
	switch {
	case err == unix.EAGAIN:
		from.clear(readable)
		return
	case err != nil:
		from.set(dry)
		k.fail(s, os.NewSyscallError("read", err))
		return
	}
	from.set(dry)
	if !from.is(hangup) && errors.Is(from.gauge().Gone(), peek.ErrReset) {
		from.set(closed) // the event that tells it is under way
	}
	if from.is(broken|closed) && !k.trueEnd(s) {
		k.fail(s, peek.ErrReset)
		return
	}
	from.set(ended)
	k.lead(s)
	k.passEnd(s)
}

// trueEnd says whether the end of the stream that was read from a dead socket is one that its peer sent: a reset is told
// once, and maybe was told to a write.
func (k *Link) trueEnd(s side) bool {
	if k.at(s.other()).is(passed) && !k.at(s).is(broken) {
		return true // both sides have ended, which looks the same as dead
	}
	yes, err := k.at(s).gauge().Ended()
	return yes && err == nil
}

// passEnd tells the other side that the stream of s has ended. When both have, closing tells it.
func (k *Link) passEnd(s side) {
	from, to := k.at(s), k.at(s.other())
	if from.parked != nil {
		return // it is told behind them
	}
	from.set(passed)
	if to.is(passed) && k.failed == side8(nobody) {
		k.done = true
		return
	}
	k.patrol.follow(k)
	if err := loop.Shutdown(int(to.fd)); err != nil {
		k.fail(s.other(), os.NewSyscallError("shutdown", err))
	}
}
