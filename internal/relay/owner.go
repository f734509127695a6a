package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/peek"
)

// A side is one of the two connections.
type side int

const (
	theClient side = iota
	theBackend
	nobody side = -1
)

func (s side) other() side { return 1 - s }

func (s side) String() string { return [...]string{"client", "backend"}[s] }

// A stream is what the owner knows of the bytes that one side sends.
type stream struct {
	running bool  // its copy has not ended, as far as the owner has heard
	passed  bool  // its end has been passed on to the other side
	err     error // why its copy ended; nil at the end of the stream
}

// A note is what a copying goroutine tells the owner about the side that it reads from.
type note struct {
	from   side
	broken bool  // false: the copy has ended, with err; true: the side died after the end of its stream
	err    error // nil at the end of the stream
}

// A relay is the state of one Run. All of it belongs to the goroutine of Run, save that moved[s] and last[s] are written by the
// goroutine that carries s and read after that has ended.
type relay struct {
	opts    Options
	conns   [2]Conn
	streams [2]stream // by the side that sends
	notes   chan note // holds all notes there can be: telling never blocks
	moved   [2]int64  // bytes, by the side that sent them
	last    [2]time.Time

	first  side // the side that ended its stream, or died, before the other; or nobody
	failed side // the side that died first, or nobody
	done   bool
	end    End
	cause  error // nil for EndClosed

	silent bool // the failed side has vanished, and its system has not told

	seen     headway       // of the side that lives, when last looked
	progress time.Time     // when that was last different
	pause    time.Duration // until the next look
}

// A headway is what tells a reader that takes bytes from one that does not. The second alone would do, where it is known;
// the first alone does not while a copy fills up what leaves.
type headway struct {
	unsent    int
	delivered int64
}

const (
	firstPause = time.Millisecond
	lastPause  = 100 * time.Millisecond
)

func newRelay(client, backend Conn, opts Options) *relay {
	if opts.KeepAlive == (net.KeepAliveConfig{}) {
		opts.KeepAlive = KeepAlive()
	}
	opts.Stall = opts.stall()
	if opts.Watch <= 0 {
		opts.Watch = defaultWatch
	}
	r := &relay{
		opts:    opts,
		conns:   [2]Conn{client, backend},
		streams: [2]stream{{running: true}, {running: true}},
		notes:   make(chan note, 4),
		first:   nobody,
		failed:  nobody,
	}
	for _, c := range r.conns {
		prepare(c, opts.KeepAlive)
	}
	return r
}

// prepare leaves errors to the copy: they come from a connection that is dead already, and the copy meets that too.
func prepare(c Conn, k net.KeepAliveConfig) {
	_ = c.SetDeadline(time.Time{})
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetKeepAliveConfig(k)
	}
}

// carry copies what from sends. After the end of the stream it watches from, which still waits for its answer, until
// from dies or is closed.
func (r *relay) carry(ctx context.Context, from side) {
	n, last, err := copyAll(r.conns[from.other()], r.conns[from], r.opts.Moved)
	r.moved[from], r.last[from] = n, last
	r.notes <- note{from: from, err: err}
	if err != nil {
		return
	}
	if err := peek.WaitBroken(ctx, r.conns[from]); errors.Is(err, peek.ErrReset) {
		r.notes <- note{from: from, broken: true, err: err}
	}
}

// buffers are lent to copies while they have something to copy, so an idle connection holds none.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyAll copies until the stream of from ends. last is when it last wrote. all counts what it moves, if anybody wants to know.
func copyAll(to, from Conn, all *atomic.Int64) (moved int64, last time.Time, err error) {
	for {
		if err := awaitBytes(from); err != nil {
			return moved, last, unlessEnd(err)
		}
		n, err := copySome(to, from, all)
		if n > 0 {
			moved, last = moved+n, time.Now()
		}
		if err != nil {
			return moved, last, unlessEnd(err)
		}
	}
}

// awaitBytes returns when there is something to read, or nothing more, where the system can tell.
func awaitBytes(c Conn) error {
	var first [1]byte
	_, err := peek.First(c, first[:])
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// copySome copies for as long as a read fills the buffer.
func copySome(to, from Conn, all *atomic.Int64) (moved int64, err error) {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := from.Read(buf[:])
		if n > 0 {
			w, err := to.Write(buf[:n])
			if all != nil {
				all.Add(int64(w))
			}
			if moved += int64(w); err != nil {
				return moved, err
			}
		}
		if err != nil || n < len(buf) {
			return moved, err
		}
	}
}

// unlessEnd turns the end of a stream into success.
func unlessEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// own decides until the relay is done.
func (r *relay) own(ctx context.Context) {
	timer := time.NewTimer(r.opts.Watch)
	defer timer.Stop()
	for !r.done {
		select {
		case n := <-r.notes:
			r.hear(n)
		case <-timer.C:
			r.watch()
		case <-ctx.Done():
			r.cancel(context.Cause(ctx))
		}
		timer.Reset(r.next())
	}
}

// next does what remains to be done after a failure, and returns when to look again.
func (r *relay) next() time.Duration {
	if r.done || r.failed == nobody {
		return r.opts.Watch
	}
	r.flush()
	r.pause = min(2*r.pause, lastPause)
	return r.pause
}

func (r *relay) hear(n note) {
	s := &r.streams[n.from]
	if !n.broken {
		s.running, s.err = false, r.verdict(n)
	}
	switch {
	case r.failed != nobody: // flush waits for the copies to end
	case n.broken:
		r.fail(n.from, n.err)
	case s.err != nil:
		r.fail(r.culprit(n.from, s.err), s.err)
	default:
		r.passEnd(n.from)
		if r.streams[theClient].passed && r.streams[theBackend].passed {
			r.done, r.end = true, EndClosed
		}
	}
}

// verdict says how a copy ended: an end of stream from a dead connection may be a reset that was told elsewhere. Where
// the system cannot tell, it is taken for one.
func (r *relay) verdict(n note) error {
	vanished := r.silent && n.from == r.failed
	if n.err != nil || !vanished && !r.dead(n.from) {
		return n.err
	}
	if ended, err := peek.Ended(r.conns[n.from]); ended && err == nil {
		return nil
	}
	return peek.ErrReset
}

// passEnd tells the other side that the stream of from has ended.
func (r *relay) passEnd(from side) {
	r.lead(from)
	to := from.other()
	if err := r.conns[to].CloseWrite(); err != nil {
		r.fail(to, err)
		return
	}
	r.streams[from].passed = true
}

// watch finds a side that died behind bytes which its reader does not take, as the copy is busy writing and does not
// notice; and one that has vanished with bytes under way to it.
func (r *relay) watch() {
	for _, s := range []side{theClient, theBackend} {
		if r.failed == nobody && r.dead(s) {
			r.fail(s, peek.ErrReset)
		}
		if gone, err := peek.Vanished(r.conns[s]); r.failed == nobody && gone && err == nil {
			r.vanish(s)
		}
	}
}

// vanish fails a side that does not know it. What it had sent before is read to an end that is not its own.
func (r *relay) vanish(s side) {
	r.silent = true
	_ = r.conns[s].SetWriteDeadline(time.Unix(1, 0)) // these fail on a closed connection only, whose copies have ended
	if c, ok := r.conns[s].(interface{ CloseRead() error }); ok {
		_ = c.CloseRead()
	} else {
		_ = r.conns[s].SetReadDeadline(time.Unix(1, 0))
	}
	r.fail(s, peek.ErrVanished)
}

// dead reports whether s is known to have died. A connection that both sides have ended looks the same as a dead one;
// so nothing is known of a side to which the end of the other's stream has been passed on.
func (r *relay) dead(s side) bool {
	return !r.streams[s.other()].passed && peek.Broken(r.conns[s])
}

// culprit tells which side made the copy of from's stream end with err. io.Copy's error does not tell it where the
// system moved the bytes by itself; the state of the connections does.
func (r *relay) culprit(from side, err error) side {
	switch to := from.other(); {
	case r.dead(to):
		return to
	case r.dead(from):
		return from
	case isWrite(err):
		return to
	}
	return from
}

// isWrite reports whether the innermost operation that failed was a write.
func isWrite(err error) bool {
	op := ""
	for e, ok := errors.AsType[*net.OpError](err); ok; e, ok = errors.AsType[*net.OpError](e.Err) {
		op = e.Op
	}
	return op == "write"
}

// lead notes which side was the first to end.
func (r *relay) lead(s side) {
	if r.first == nobody {
		r.first = s
	}
}

// fail notes that s has died. What the other side sends has no reader any more and is no longer carried; what s had
// sent still is.
func (r *relay) fail(s side, err error) {
	if r.failed != nobody {
		return
	}
	r.lead(s)
	r.failed, r.end = s, [...]End{EndClientReset, EndBackendReset}[s]
	r.cause = fmt.Errorf("%v: %w", s, plain(err))
	r.progress, r.pause = time.Now(), firstPause/2
	_ = r.conns[s.other()].SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection only, whose copy has ended
}

// plain takes the layers off err that name addresses and the call that moved the bytes.
func plain(err error) error {
	for {
		op, ok := errors.AsType[*net.OpError](err)
		if !ok {
			return err
		}
		err = op.Err
	}
}

// flush sees to it that the side that lives gets what the failed one had sent, and is done when it has it, has died
// too or has taken nothing for too long.
func (r *relay) flush() {
	live := r.failed.other()
	copied := !r.streams[theClient].running && !r.streams[theBackend].running
	if s := r.streams[r.failed]; !s.running && s.err == nil && !s.passed {
		r.passEnd(r.failed)
	}
	unsent, err := peek.Unsent(r.conns[live])
	delivered, _ := peek.Delivered(r.conns[live]) // 0 where it is not known
	now := headway{unsent, delivered}
	switch {
	case copied && unsent == 0 && err == nil, r.dead(live):
		r.done = true
	case now != r.seen:
		r.seen, r.progress = now, time.Now()
	case time.Since(r.progress) >= r.opts.Stall:
		r.done = true
	}
}

// cancel ends the relay now. A failure that it cuts short remains the reason of the end.
func (r *relay) cancel(cause error) {
	r.done = true
	if r.failed == nobody {
		r.end, r.cause = EndCanceled, cause
	}
}

// close closes both connections, with a reset unless both streams have ended.
func (r *relay) close() {
	for _, c := range r.conns {
		if r.end != EndClosed {
			_ = c.SetLinger(0) // fails on a closed connection only
		}
		_ = c.Close() // nothing is left to do about an error
	}
}
