// Package peek looks at a TCP connection without taking anything from it.
//
// A client that waits for its server keeps its bytes in the kernel, where the socket's window is the back-pressure.
// Meanwhile someone must see whether it is still there ([WaitGone]) and maybe what its first bytes are ([First]);
// a relay must know which side has failed ([Broken], [WaitBroken]), whether an end of stream is a true one ([Ended]),
// whether its bytes have left ([Unsent], [Delivered]), and whether anybody is still there to take them ([Vanished]). The
// bytes stay where they are and a later Read gets them all.
//
// What can be known of a peer that has sent its end of stream is limited: the same FIN comes from one that has
// gone and from one that has half-closed and reads on. The rule here: with nothing queued it has gone; behind
// queued bytes it is a request whose sender waits for the answer. The cost: a client that sends nothing,
// half-closes and only wants to read is taken for gone.
//
// A connection with its own methods ([Peeker], [Watcher], [Gauge]) is asked through them; any other must be a
// syscall.Conn, such as a *net.TCPConn. Waiting is done by the runtime's network poller: no thread is held and
// nothing is polled on a beat. What an operating system cannot tell gives an error that wraps
// errors.ErrUnsupported:
//
//	           First   WaitGone, WaitBroken, Broken   Unsent   Delivered, Ended, Vanished
//	linux      yes     yes                            yes      yes
//	darwin     yes     yes                            yes      no
//	other unix yes     no                             no       no
//	windows    no      no                             no       no
package peek

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Why a peer has gone, as [WaitGone] and [WaitBroken] tell it.
var (
	// ErrReset says that the connection is dead in both directions: the peer has reset it, or has not answered
	// for too long. It wraps syscall.ECONNRESET.
	ErrReset = fmt.Errorf("peer has reset the connection: %w", syscall.ECONNRESET)
	// ErrLeft says that the peer has ended its stream and nothing that it sent waits to be read.
	ErrLeft = errors.New("peer has closed the connection")
	// ErrVanished says that nothing at all has come from a peer for [Silence], although bytes for it were sent again and
	// again. It wraps syscall.ETIMEDOUT.
	ErrVanished = fmt.Errorf("peer has vanished, it has acknowledged nothing for %v: %w", Silence, syscall.ETIMEDOUT)
)

// Silence is how long a peer that owes an acknowledgement may say nothing before it is taken for gone.
const Silence = time.Minute

// A Peeker is a connection that shows its next bytes itself, with the results of [First].
type Peeker interface {
	Peek(b []byte) (n int, err error)
}

// A Watcher is a connection that watches its peer itself. Its methods do what the functions of the same name do;
// they give an error that wraps syscall.ECONNRESET for ErrReset, and io.EOF for ErrLeft.
type Watcher interface {
	WaitGone(ctx context.Context) error
	WaitBroken(ctx context.Context) error
	Broken() bool
}

// A Gauge is a connection that tells the state of its streams itself, as the functions of the same name do.
type Gauge interface {
	Ended() (bool, error)
	Unsent() (int, error)
	Delivered() (int64, error)
}

// First waits until c has something to read and copies what there is into b, which must not be empty, without
// taking it: at least one byte, or (0, io.EOF), or an error that wraps syscall.ECONNRESET, or, after c's read
// deadline, os.ErrDeadlineExceeded.
//
// First and Read exclude each other as two Reads do. The kernel tells a reset once: after First has told it, a
// Read gives io.EOF.
func First(c net.Conn, b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, io.ErrShortBuffer
	}
	if p, ok := c.(Peeker); ok {
		return p.Peek(b)
	}
	rc, err := raw(c)
	if err != nil {
		return 0, err
	}
	return first(c, rc, b)
}

// WaitGone waits until c's peer has gone, and says how: [ErrReset], or [ErrLeft] for an end of stream with
// nothing queued. An end of stream behind queued bytes is a half-closed peer that waits for its answer: only a
// reset is waited for then. When ctx ends first it gives ctx's error; when c is closed, net.ErrClosed.
//
// It uses c's read deadline, and leaves none. It excludes Read while it runs, and not after it has returned.
func WaitGone(ctx context.Context, c net.Conn) error {
	if w, ok := c.(Watcher); ok {
		return reason(w.WaitGone(ctx))
	}
	return await(ctx, c, judgeGone)
}

// WaitBroken is [WaitGone] that waits for nothing but [ErrReset]: an end of stream alone is no reason. It is for
// a peer whose stream has been read to its end and that still waits for an answer. A connection that both sides
// have ended counts as reset.
func WaitBroken(ctx context.Context, c net.Conn) error {
	if w, ok := c.(Watcher); ok {
		return reason(w.WaitBroken(ctx))
	}
	return await(ctx, c, judgeBroken)
}

// Broken reports whether c is dead in both directions now: reset, given up, closed, or ended by both sides. It is
// false for a connection that cannot be looked at. It may be called while others read and write.
func Broken(c net.Conn) bool {
	if w, ok := c.(Watcher); ok {
		return w.Broken()
	}
	var seen glance
	err := control(c, func(fd int) (err error) { seen, err = look(fd); return err })
	return seen.dead || errors.Is(err, net.ErrClosed)
}

// Ended reports, after a Read has given io.EOF, whether the peer has really ended its stream. Linux tells a reset
// once, to whoever reads or writes first, and a splice(2) that could still write some bytes keeps it for itself; a
// Read that comes later gives io.EOF. It may be called while others write.
func Ended(c net.Conn) (yes bool, err error) {
	if g, ok := c.(Gauge); ok {
		return g.Ended()
	}
	err = control(c, func(fd int) (err error) { yes, err = ended(fd); return err })
	return yes, err
}

// Unsent returns how many bytes were written to c and are not yet acknowledged by the peer's system; an end of
// stream that is not acknowledged counts as one. On a dead connection the count stands still. It may be called while
// others read and write.
func Unsent(c net.Conn) (n int, err error) {
	if g, ok := c.(Gauge); ok {
		return g.Unsent()
	}
	err = control(c, func(fd int) (err error) { n, err = unsent(fd); return err })
	return n, err
}

// Delivered returns how many bytes of what was written to c the peer's system has acknowledged, ever; the handshake
// and the end of the stream may count as one each. While it grows the peer takes bytes, whatever waits behind them. It
// may be called while others read and write.
func Delivered(c net.Conn) (n int64, err error) {
	if g, ok := c.(Gauge); ok {
		return g.Delivered()
	}
	err = control(c, func(fd int) (err error) { n, err = delivered(fd); return err })
	return n, err
}

// Vanished reports whether c's peer has gone without a word: something was sent to it, or it was asked whether it has room
// again, several times, and nothing has come back for [Silence]. A peer that is there and does not read answers each time
// that it has no room, and has not vanished, for however long. The system itself gives up after a quarter of an hour, and
// its keepalive rests while something is under way. It may be called while others read and write.
func Vanished(c net.Conn) (yes bool, err error) {
	if g, ok := c.(interface{ Vanished() (bool, error) }); ok {
		return g.Vanished()
	}
	err = control(c, func(fd int) (err error) { yes, err = vanished(fd); return err })
	return yes, err
}

// A glance is what one look at a socket tells.
type glance struct {
	ended  bool // the peer's end of stream has arrived, maybe behind queued bytes
	dead   bool // neither direction can carry anything more
	queued int  // bytes that can be read
}

func judgeGone(g glance) error {
	switch {
	case g.dead:
		return ErrReset
	case g.ended && g.queued == 0:
		return ErrLeft
	}
	return nil
}

func judgeBroken(g glance) error {
	if g.dead {
		return ErrReset
	}
	return nil
}

// await looks at c until judge is satisfied, ctx ends or c is closed. Each look follows an edge of the network
// poller. No edge is lost: the poller keeps one that comes between a look and the wait that follows it, and what
// happened before is seen by the first look.
func await(ctx context.Context, c net.Conn, judge func(glance) error) (verdict error) {
	rc, err := raw(c)
	if err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	awake := awaken(ctx, c)
	err = rc.Read(func(fd uintptr) bool {
		g, err := look(int(fd))
		if err != nil {
			verdict = err
			return true
		}
		verdict = judge(g)
		return verdict != nil
	})
	awake()
	if verdict == nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if verdict == nil {
		return err
	}
	return verdict
}

// awaken makes waits on c end when ctx ends. The function it returns undoes that: when it has returned, c has no
// read deadline and will not get one.
func awaken(ctx context.Context, c net.Conn) (undo func()) {
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(set)
		_ = c.SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection only, whose waits have ended
	})
	return func() {
		if stop() {
			return
		}
		<-set
		_ = c.SetReadDeadline(time.Time{}) // as above
	}
}

// control calls f with c's descriptor, which stays open until f returns.
func control(c net.Conn, f func(fd int) error) (err error) {
	rc, err := raw(c)
	if err != nil {
		return err
	}
	if ctlErr := rc.Control(func(fd uintptr) { err = f(int(fd)) }); ctlErr != nil {
		return ctlErr
	}
	return err
}

func raw(c net.Conn) (syscall.RawConn, error) {
	if sc, ok := c.(syscall.Conn); ok && supported {
		return sc.SyscallConn()
	}
	return nil, fmt.Errorf("looking at a connection of type %T: %w", c, errors.ErrUnsupported)
}

// reason puts a Watcher's answer in this package's words.
func reason(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return ErrReset
	case errors.Is(err, io.EOF):
		return ErrLeft
	}
	return err
}
