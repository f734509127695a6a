package memnet

import (
	"context"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// A Conn is one end of a connection, with the methods of *net.TCPConn that a proxy needs. As with any net.Conn
// its methods may be called at once from several goroutines, but concurrent Writes may mingle their bytes.
type Conn struct {
	link          *link
	me            int // index of this end in link.ends
	local, remote net.Addr
	open          *atomic.Int64 // ends not closed; the network's count
}

var _ net.Conn = (*Conn)(nil)

// Pipe returns the two ends of a connection that belongs to no network, with buffers of window bytes (0: 64 KiB).
func Pipe(window int) (a, b *Conn) {
	return newLink(orDefault(window, defaultWindow), name("a"), name("b"), new(atomic.Int64))
}

func newLink(window int, near, far net.Addr, open *atomic.Int64) (a, b *Conn) {
	l := &link{window: window}
	open.Add(2)
	return &Conn{l, 0, near, far, open}, &Conn{l, 1, far, near, open}
}

// Read reads what has arrived; it waits for at least one byte. It gives io.EOF behind the other end's stream.
func (c *Conn) Read(b []byte) (int, error) { return c.receive("read", b, false) }

// Peek is Read that leaves the bytes where they are. A reset that it returns has been told, as by Read.
func (c *Conn) Peek(b []byte) (int, error) { return c.receive("peek", b, true) }

func (c *Conn) receive(op string, b []byte, peek bool) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	err = c.do(op, readDeadline, func(l *link) (done bool, err error) {
		n, done, err = l.read(c.me, b, peek)
		return done, err
	})
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

// Write writes all of b; it waits for room. On an error n bytes were taken, of which none may have arrived.
func (c *Conn) Write(b []byte) (n int, err error) {
	err = c.do("write", writeDeadline, func(l *link) (done bool, err error) {
		m, done, err := l.write(c.me, b[n:])
		n += m
		return done, err
	})
	return n, err
}

// do tries until try is done or fails, waiting for a change of the link between two tries, until the deadline.
func (c *Conn) do(op string, deadline func(*end) time.Time, try func(*link) (done bool, err error)) error {
	for {
		done, changed, by, err := c.once(deadline, try)
		if err != nil {
			return c.opError(op, err)
		}
		if done {
			return nil
		}
		wait(changed, by)
	}
}

func (c *Conn) once(deadline func(*end) time.Time, try func(*link) (bool, error)) (
	done bool, changed <-chan struct{}, by time.Time, err error,
) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	e := &c.link.ends[c.me]
	by = deadline(e)
	switch {
	case e.closed:
		return false, nil, by, net.ErrClosed
	case !by.IsZero() && !time.Now().Before(by):
		return false, nil, by, os.ErrDeadlineExceeded
	}
	done, err = try(c.link)
	if done || err != nil {
		return done, nil, by, err
	}
	return false, c.link.wake(), by, nil
}

func wait(changed <-chan struct{}, by time.Time) {
	if by.IsZero() {
		<-changed
		return
	}
	t := time.NewTimer(time.Until(by))
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	}
}

func readDeadline(e *end) time.Time  { return e.readBy }
func writeDeadline(e *end) time.Time { return e.writeBy }

// Close ends the connection; waiting Reads and Writes give net.ErrClosed. See the package doc for what the other
// end sees.
func (c *Conn) Close() error {
	if err := c.with(func(l *link, _ *end) error { l.shut(c.me); return nil }); err != nil {
		return c.opError("close", err)
	}
	c.open.Add(-1)
	return nil
}

// abort resets the connection.
func (c *Conn) abort() {
	_ = c.SetLinger(0)
	_ = c.Close() // closed before: then it is over already
}

// CloseWrite ends this end's stream behind what was written. On a connection that was reset it gives ENOTCONN.
func (c *Conn) CloseWrite() error {
	err := c.with(func(l *link, e *end) error {
		if e.dead {
			return syscall.ENOTCONN
		}
		e.finOut = true
		l.flow(c.me)
		return nil
	})
	return c.opError("close", err)
}

// CloseRead makes reading end behind what has arrived, whatever the other end does. That end is told nothing.
func (c *Conn) CloseRead() error { return c.set(func(e *end) { e.deaf = true }) }

// SetLinger with 0 makes Close reset the connection; any other value makes it end the stream in the background.
func (c *Conn) SetLinger(sec int) error {
	return c.set(func(e *end) { e.noLinger = sec == 0 })
}

// SetDeadline sets both deadlines; the zero time means none.
func (c *Conn) SetDeadline(t time.Time) error {
	return c.set(func(e *end) { e.readBy, e.writeBy = t, t })
}

// SetReadDeadline sets the time after which Read and Peek give os.ErrDeadlineExceeded; the zero time means none.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.set(func(e *end) { e.readBy = t })
}

// SetWriteDeadline sets the time after which Write gives os.ErrDeadlineExceeded; the zero time means none.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.set(func(e *end) { e.writeBy = t })
}

func (c *Conn) set(f func(*end)) error {
	return c.opError("set", c.with(func(l *link, e *end) error {
		f(e)
		l.notify()
		return nil
	}))
}

// with calls f with the mutex held, unless this end is closed.
func (c *Conn) with(f func(*link, *end) error) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	e := &c.link.ends[c.me]
	if e.closed {
		return net.ErrClosed
	}
	return f(c.link, e)
}

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Queued returns how many bytes have arrived and not been read.
func (c *Conn) Queued() (n int, err error) {
	err = c.with(func(_ *link, e *end) error { n = len(e.in); return nil })
	return n, c.opError("queued", err)
}

// Unsent returns how many bytes were written and have not arrived in the other end's receive buffer; an end of
// stream that has not arrived counts as one.
func (c *Conn) Unsent() (n int, err error) {
	err = c.with(func(l *link, e *end) error {
		n = len(e.out) + e.lost
		if e.finOut && !l.ends[1-c.me].finIn && !e.dead {
			n++
		}
		return nil
	})
	return n, c.opError("unsent", err)
}

// Delivered returns how many bytes have arrived in the other end's receive buffer, ever.
func (c *Conn) Delivered() (n int64, err error) {
	err = c.with(func(_ *link, e *end) error { n = e.acked; return nil })
	return n, c.opError("delivered", err)
}

// Vanish takes the other end's host away: nothing that either end does from now on reaches the other.
func (c *Conn) Vanish() {
	_ = c.with(func(l *link, _ *end) error { l.cut = time.Now(); return nil }) // a closed end has nobody to lose
}

// Vanished reports whether the other end has been away for a minute, as far as this end can know: it has something
// under way.
func (c *Conn) Vanished() (yes bool, err error) {
	n, err := c.Unsent()
	if n > 0 && err == nil {
		err = c.with(func(l *link, _ *end) error { yes = !l.cut.IsZero() && time.Since(l.cut) >= time.Minute; return nil })
	}
	return yes, err
}

// Ended reports whether the other end has ended its stream and all of it has arrived.
func (c *Conn) Ended() (yes bool, err error) {
	err = c.with(func(_ *link, e *end) error { yes = e.finIn; return nil })
	return yes, c.opError("ended", err)
}

// Broken reports whether neither direction can carry anything more: reset, closed, or ended by both ends.
func (c *Conn) Broken() bool {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.link.ends[c.me].over()
}

// WaitGone waits until the other end has gone and then gives ECONNRESET for a reset, io.EOF for an end of stream
// with nothing queued; or ctx's error. It takes nothing.
func (c *Conn) WaitGone(ctx context.Context) error {
	return c.watch(ctx, func(e *end) error {
		if e.finIn && len(e.in) == 0 && !e.dead {
			return io.EOF
		}
		return nil
	})
}

// WaitBroken waits until neither direction can carry anything more and then gives ECONNRESET; or ctx's error.
func (c *Conn) WaitBroken(ctx context.Context) error {
	return c.watch(ctx, func(*end) error { return nil })
}

func (c *Conn) watch(ctx context.Context, left func(*end) error) error {
	for {
		var changed <-chan struct{}
		err := c.with(func(l *link, e *end) error {
			changed = l.wake()
			if err := left(e); err != nil {
				return err
			}
			if e.over() {
				return syscall.ECONNRESET
			}
			return nil
		})
		if err != nil {
			return c.opError("watch", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// opError dresses err as the net package does. io.EOF stays bare, as everywhere in Go.
func (c *Conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	return opError(op, c.local, c.remote, err)
}
