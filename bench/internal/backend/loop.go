//go:build linux

package backend

import (
	"errors"
	"math"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/bench/internal/wire"
)

// chunk is how much one read or write moves: enough that system calls do not limit the
// backend, little enough that streams take turns.
const chunk = 256 << 10

// conn is one connection. One loop owns it at a time.
type conn struct {
	fd      int
	hdr     [wire.HeaderLen]byte
	got     int // bytes of hdr that are here
	mode    wire.Mode
	n       uint64 // the header's number
	off     uint64 // payload bytes received, or pattern bytes sent
	bad     uint64
	out     []byte // to be sent before anything else
	gen     uint64 // bytes of the pattern to be sent after out
	closing bool   // close once all is sent
	writing bool   // epoll waits for room, not for bytes
}

// loop is one epoll set, level-triggered, with its own scratch buffer. It serves listeners
// and conns; a conn that turns out to carry bulk is given to the loop bulk, so that echoes
// do not queue behind bulk in this process.
type loop struct {
	epfd  int
	conns []atomic.Pointer[conn] // by descriptor; shared by the loops
	hosts *listeners
	bulk  *loop
	buf   []byte
}

func newLoop(conns []atomic.Pointer[conn], hosts *listeners) (*loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &loop{epfd: epfd, conns: conns, hosts: hosts, buf: make([]byte, chunk)}, nil
}

// run serves until the process ends.
func (l *loop) run() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(l.epfd, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, ev := range events[:max(n, 0)] {
			fd := int(ev.Fd)
			if c := l.conns[fd].Load(); c != nil {
				l.serve(c)
			} else if at := l.hosts.byFD(fd); at != nil {
				l.accept(fd, at)
			}
		}
	}
}

// accept takes all connections that wait.
func (l *loop) accept(ln int, at *listener) {
	for {
		fd, _, err := unix.Accept4(ln, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		at.accepted()
		if fd >= len(l.conns) {
			_ = unix.Close(fd)
			continue
		}
		l.conns[fd].Store(&conn{fd: fd})
		l.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN)
	}
}

func (l *loop) control(op, fd int, events uint32) {
	_ = unix.EpollCtl(l.epfd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (l *loop) close(c *conn) {
	l.conns[c.fd].Store(nil) // before the descriptor can be given to another
	_ = unix.Close(c.fd)
}

// serve does one read or one write, whichever c waits for.
func (l *loop) serve(c *conn) {
	if c.writing {
		l.flush(c)
		return
	}
	n, err := unix.Read(c.fd, l.buf)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
	case err != nil:
		l.close(c)
	case n == 0:
		l.eof(c)
	default:
		l.received(c, l.buf[:n])
	}
}

func (l *loop) received(c *conn, b []byte) {
	fresh := c.got < wire.HeaderLen
	if fresh {
		took := copy(c.hdr[c.got:], b)
		c.got += took
		b = b[took:]
		if c.got < wire.HeaderLen {
			return
		}
		if !begin(c) {
			l.close(c)
			return
		}
	}
	switch {
	case c.mode == wire.Echo && len(b) > 0:
		c.out = b
		l.flush(c)
		return
	case c.mode == wire.Check && !wire.Matches(c.off, b):
		c.bad++
	}
	if c.mode != wire.Source {
		c.off += uint64(len(b))
	}
	if c.mode == wire.Check && c.n > 0 && c.off >= c.n {
		l.eof(c) // the client waits for the tally and has not ended its half
		return
	}
	if fresh && c.mode != wire.Echo {
		l.handOver(c)
	}
}

// begin acts on a header. It is false if the header makes no sense.
func begin(c *conn) bool {
	mode, n, ok := wire.ParseHeader(c.hdr)
	c.mode, c.n = mode, n
	if mode == wire.Source {
		c.gen, c.closing, c.writing = n, true, true
		if n == 0 {
			c.gen = math.MaxUint64
		}
	}
	return ok
}

// handOver gives c to the bulk loop. Nothing of c may be touched here afterwards.
func (l *loop) handOver(c *conn) {
	l.control(unix.EPOLL_CTL_DEL, c.fd, 0)
	fd, events := c.fd, c.interest()
	l.conns[fd].Store(c) // publishes what was written to c
	l.bulk.control(unix.EPOLL_CTL_ADD, fd, events)
}

// interest is what epoll shall wait for on behalf of c.
func (c *conn) interest() uint32 {
	if c.writing {
		return unix.EPOLLOUT
	}
	return unix.EPOLLIN
}

// eof answers a client that has finished sending.
func (l *loop) eof(c *conn) {
	if c.got < wire.HeaderLen || c.mode == wire.Echo {
		l.close(c)
		return
	}
	c.closing = true
	if c.mode == wire.Reply {
		c.gen, c.off = c.n, 0
	} else {
		c.out = wire.Tally(c.off, c.bad)
	}
	l.flush(c)
}

// flush writes once. What the socket does not take waits; a borrowed scratch buffer is
// then copied.
func (l *loop) flush(c *conn) {
	b := c.out
	if len(b) == 0 && c.gen > 0 {
		b = wire.At(c.off, int(min(c.gen, chunk)))
	}
	n, err := unix.Write(c.fd, b)
	if err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		l.close(c)
		return
	}
	n = max(n, 0)
	if len(c.out) > 0 {
		if c.out = b[n:]; len(c.out) > 0 && !c.writing {
			c.out = append([]byte(nil), c.out...)
		}
	} else {
		c.gen, c.off = c.gen-uint64(n), c.off+uint64(n)
	}
	l.sent(c)
}

// sent closes c if that was all, or turns it between writing and reading.
func (l *loop) sent(c *conn) {
	more := len(c.out) > 0 || c.gen > 0
	switch {
	case !more && c.closing:
		l.close(c)
	case more != c.writing:
		c.writing = more
		l.control(unix.EPOLL_CTL_MOD, c.fd, c.interest())
	}
}
