package memnet

import (
	"slices"
	"sync"
	"syscall"
	"time"
)

// A link is one connection: its two ends and the wire between them. Its methods are called with mu held.
type link struct {
	window int

	mu      sync.Mutex // guards the fields below
	ends    [2]end
	changed chan struct{} // closed at the next change of either end; nil while nobody waits
	cut     time.Time     // since when nothing gets through; zero while all does
}

// An end is what one host knows of a connection.
type end struct {
	acked  int64  // bytes that have arrived at the other end, ever
	in     []byte // arrived, not yet read
	out    []byte // written, not yet arrived at the other end: on Linux, not yet acknowledged
	lost   int    // bytes that were in out when a reset arrived; Linux goes on counting them
	finIn  bool   // the other end's stream has ended, and all of it has arrived
	finOut bool   // this end's stream has ended, maybe behind out

	dead    bool          // reset, by either end
	pending syscall.Errno // what a reset left to be told once; 0 if nothing or if told
	closed  bool          // its user has called Close
	deaf    bool          // its user has called CloseRead

	noLinger bool // SetLinger(0): Close resets
	readBy   time.Time
	writeBy  time.Time
}

// flow moves what end i has written into the other end's receive buffer as far as there is room, and the end of
// the stream behind it.
func (l *link) flow(i int) {
	from, to := &l.ends[i], &l.ends[1-i]
	if !l.cut.IsZero() {
		l.notify()
		return
	}
	if len(from.out) > 0 && to.closed {
		to.dead, to.out = true, nil
		l.reset(i)
		return
	}
	n := min(len(from.out), l.window-len(to.in))
	if n > 0 {
		to.in = append(to.in, from.out[:n]...)
		from.out = slices.Delete(from.out, 0, n)
		from.acked += int64(n)
	}
	if from.finOut && len(from.out) == 0 && !from.dead {
		to.finIn = true
	}
	l.notify()
}

// reset is end i receiving a reset. An end whose connection is already over in both directions does not notice.
func (l *link) reset(i int) {
	e := &l.ends[i]
	if !l.cut.IsZero() || e.dead || e.finIn && e.finOut && len(e.out) == 0 {
		return
	}
	e.lost = len(e.out)
	e.dead, e.out = true, nil
	e.pending = syscall.ECONNRESET
	if e.finIn && !e.finOut {
		e.pending = syscall.EPIPE
	}
	l.notify()
}

// shut is the user of end i calling Close.
func (l *link) shut(i int) {
	e := &l.ends[i]
	e.closed = true
	switch {
	case e.dead:
	case e.noLinger || len(e.in) > 0:
		e.dead, e.in, e.out = true, nil, nil
		l.reset(1 - i)
	default:
		e.finOut = true
		l.flow(i)
	}
	l.notify()
}

// read takes bytes that have arrived into b, or tells why there will be none. It is not done while there is
// nothing to tell. A peek leaves the bytes where they are, but takes a reset as recv with MSG_PEEK does.
func (l *link) read(i int, b []byte, peek bool) (n int, done bool, err error) {
	e := &l.ends[i]
	switch {
	case len(e.in) > 0:
		n = copy(b, e.in)
		if !peek {
			e.in = slices.Delete(e.in, 0, n)
			l.flow(1 - i)
		}
		return n, true, nil
	case e.finIn, e.deaf:
		return 0, true, nil
	case e.pending != 0:
		return 0, true, e.take()
	}
	return 0, e.dead, nil
}

// write takes bytes of b into the send buffer. It is not done while there is no room.
func (l *link) write(i int, b []byte) (n int, done bool, err error) {
	e := &l.ends[i]
	switch {
	case e.pending != 0:
		return 0, true, e.take()
	case e.dead || e.finOut:
		return 0, true, syscall.EPIPE
	}
	for n < len(b) && len(e.out) < l.window && !e.dead {
		m := min(len(b)-n, l.window-len(e.out))
		e.out = append(e.out, b[n:n+m]...)
		n += m
		l.flow(i)
	}
	return n, n == len(b), nil
}

// take tells a reset and forgets it.
func (e *end) take() error {
	err := e.pending
	e.pending = 0
	return err
}

// over reports whether neither direction can carry anything more.
func (e *end) over() bool { return e.closed || e.dead || e.finIn && e.finOut }

func (l *link) wake() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

func (l *link) notify() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}
