package relay

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
)

// ErrFault marks a relay that a fault of rouse itself has ended.
var ErrFault = errors.New("a fault of rouse itself")

// LinkEvents is what both sockets of a [Link] are to be watched for.
const LinkEvents = loop.In | loop.Out | loop.Urgent | loop.HangingUp | loop.Edge

// The tags that a Link's sockets are watched with: the client's has this one, the backend's any higher one.
const ClientTag = 0

// How much one direction moves in one piece of work, and how bulk is told from the rest.
const (
	piece      = 256 << 10 // bytes; a splice may go beyond
	shortLump  = 16 << 10  // of a splice
	lumpsCease = 4         // so many short splices in a row, and bytes are copied again
	lumpsBulk  = 16        // so many long ones, and it is worth while to let more gather
)

// A Socket is one side of a link.
type Socket struct {
	FD      int
	Seen    loop.Events // that were told before the link took over
	NoDelay bool        // it has TCP_NODELAY already
}

// LinkOptions say what a link connects.
type LinkOptions struct {
	Loop            *loop.Loop
	Token           loop.Token // under which both sockets are watched for [LinkEvents]
	Client, Backend Socket
	Owner           Owner
	Relay           *Options // nil: the zero value
}

// An Owner is told once, on the loop, how a link has ended. Both sockets are closed then and nothing of the link runs.
// The error is that of [Run].
type Owner interface {
	RelayEnded(Result, error)
	// RelayHeavy says, at most once, that the link has become bulk. The owner may then move it to another loop, and says
	// so: with [Link.Leave] here, and [Link.Enter] there.
	RelayHeavy() (moved bool)
}

// A Link is a relay on an event loop: what [Run] does, without a goroutine, a buffer or any descriptor but the two
// sockets while nothing moves. All of it belongs to the loop.
//
// Bytes are copied through the loop's buffer. Once a read has filled that, they are spliced through a pipe, until little
// comes at a time again; that is heavy work, for which small things do not wait. What one side has sent and the other has
// no room for yet stays in the pipe, or in a copy; then no more is read. Events only mark what may be possible (readable,
// writable, dead); work then does what is.
type Link struct {
	loop   *loop.Loop
	token  loop.Token
	owner  Owner
	opts   *Options
	ends   [2]end
	began  time.Duration // on the loop's clock
	rescue *rescue       // after a failure

	first, failed side8
	end           ending
	done          bool // nothing is left but to tell
	told          bool
	queued        bool // it goes on later
	heavy         bool // it has become bulk once
	heavyTold     bool
}

// side8 is a side in one byte.
type side8 int8

// ending is an [End] in one byte.
type ending uint8

var endings = [...]End{EndClosed, EndClientReset, EndBackendReset, EndCanceled}

// end is one socket, and the stream of bytes that comes from it.
type end struct {
	fd     int32
	flags  flag
	short  uint8         // short splices in a row
	long   uint8         // the same of long ones
	moved  int64         // bytes from here that were written to the other socket
	last   time.Duration // when, on the loop's clock
	parked *parked       // bytes from here that the other has no room for
	gather *gather       // while its bytes gather in the kernel
}

// parked bytes are in a pipe or in a copy.
type parked struct {
	pipe  *loop.Pipe
	bytes []byte
}

type flag uint16

const (
	readable flag = 1 << iota // as far as is known
	writable
	hangup  // the peer has ended its stream, maybe behind bytes
	broken  // an error is pending, or was
	closed  // neither direction carries anything more
	urgent  // there was urgent data: a short read tells nothing, a splice stops
	bulk    // spliced
	dry     // nothing more will come from it
	ended   // dry because its peer ended the stream
	passed  // and the other side was told so
	nagling // it has no TCP_NODELAY yet
	written // something was sent to it
)

func (e *end) is(f flag) bool  { return e.flags&f != 0 }
func (e *end) set(f flag)      { e.flags |= f }
func (e *end) clear(f flag)    { e.flags &^= f }
func (e *end) gauge() peek.FD  { return peek.FD(e.fd) }
func (k *Link) at(s side) *end { return &k.ends[s] }

// rescue is what a link needs after a failure, while the side that lives gets what the failed one had sent.
type rescue struct {
	cause    error
	timer    loop.Timer
	seen     headway
	progress time.Time
	pause    time.Duration
}

// Start begins to relay. The link must be a new one.
func (k *Link) Start(o LinkOptions) {
	*k = Link{loop: o.Loop, token: o.Token, owner: o.Owner, opts: o.Relay, began: o.Loop.Clock(), first: side8(nobody), failed: side8(nobody)}
	for s, socket := range []Socket{theClient: o.Client, theBackend: o.Backend} {
		e := &k.ends[s]
		e.fd = int32(socket.FD)
		e.set(writable)
		if !socket.NoDelay {
			e.set(nagling)
		}
		e.mark(socket.Seen)
	}
	k.work()
}

// Bytes returns how many were moved so far: from the client, and to it.
func (k *Link) Bytes() (sent, received int64) {
	return k.ends[theClient].moved, k.ends[theBackend].moved
}

// Movable says whether the link may be moved to another loop now: nothing of it is in this one's hands.
func (k *Link) Movable() bool { return !k.told && !k.queued && k.rescue == nil }

// Leave takes a link that is movable from its loop, and forgets both sockets there.
func (k *Link) Leave() {
	for s := range k.ends {
		k.scatter(side(s))
		_ = k.loop.Forget(int(k.ends[s].fd)) // it is watched
	}
	k.loop.Leave(k.token)
}

// Enter goes on in another loop, where both sockets are watched again: everything that is so already is told there.
func (k *Link) Enter(l *loop.Loop, t loop.Token) {
	k.loop, k.token = l, t
	k.work()
}

// Ready is for the loop.
func (k *Link) Ready(tag int, events loop.Events) {
	s := theClient
	if tag != ClientTag {
		s = theBackend
	}
	k.at(s).mark(events)
	if k.ends[theClient].is(bulk) || k.ends[theBackend].is(bulk) {
		k.later()
		return
	}
	k.work()
}

func (k *Link) later() {
	if !k.queued {
		k.queued = true
		k.loop.Again(k)
	}
}

// Do is for the loop: it goes on with what was too much for one turn, or looks how a rescue goes.
func (k *Link) Do() {
	k.queued = false
	k.work()
}

// Contain is for the loop.
func (k *Link) Contain(panicked any) {
	k.Cancel(fmt.Errorf("%w: %v\n%s", ErrFault, panicked, debug.Stack()))
}

// Cancel resets both sides now.
func (k *Link) Cancel(cause error) {
	if k.told {
		return
	}
	k.done = true
	if k.failed == side8(nobody) {
		k.end, k.rescue = 3, &rescue{cause: cause}
	}
	k.tell()
}

// mark notes what events say. After a hang-up or an error reading goes on until it has told which.
func (e *end) mark(events loop.Events) {
	for _, m := range [...]struct {
		events loop.Events
		flags  flag
	}{
		{loop.In, readable},
		{loop.Out, writable},
		{loop.Urgent, readable | urgent},
		{loop.HangingUp, readable | hangup},
		{loop.Err, readable | writable | broken},
		{loop.Hup, readable | writable | closed},
	} {
		if events&m.events != 0 {
			e.flags |= m.flags
		}
	}
}

// work does what is possible now.
func (k *Link) work() {
	if k.told {
		return
	}
	more := k.pump(theClient)
	more = k.pump(theBackend) || more
	k.judge()
	switch {
	case k.done:
		k.tell()
	case k.grown() && k.owner.RelayHeavy(): // it goes on in another loop
	case more:
		k.later()
	}
}

// grown says, once, that the link has become bulk and may be moved now.
func (k *Link) grown() bool {
	ready := k.heavy && !k.heavyTold && k.Movable()
	k.heavyTold = k.heavyTold || ready
	return ready
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
	if to.is(nagling) && to.is(written) { // Nagle's algorithm holds back only what follows something under way
		loop.NoDelay(int(to.fd))
		to.clear(nagling)
	}
	n, err := loop.Send(int(to.fd), b)
	to.set(written)
	k.moved(s, n)
	switch {
	case err != nil && err != unix.EAGAIN:
		k.fail(s.other(), os.NewSyscallError("sendto", err))
	case n < len(b):
		to.clear(writable)
		k.at(s).parked = &parked{bytes: append([]byte(nil), b[n:]...)}
	}
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
		k.weigh(s, n)
		k.unpark(s)
		return n
	}
	k.loop.GivePipe(pipe)
	k.stopped(s, err)
	return 1
}

// weigh goes back to copying when little comes at a time. A long stream's bytes may gather: then nothing more is read
// until many are there.
func (k *Link) weigh(s side, n int) {
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
	if from.long == lumpsBulk && !from.is(hangup|broken|closed) && k.gathers(s, n) {
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
	n, err := 0, error(nil)
	if p.pipe != nil {
		n, err = p.pipe.Empty(int(to.fd))
	} else {
		n, err = loop.Send(int(to.fd), p.bytes)
		p.bytes = p.bytes[n:]
	}
	to.set(written)
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
		from.last = k.loop.Clock()
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
	if err := loop.Shutdown(int(to.fd)); err != nil {
		k.fail(s.other(), os.NewSyscallError("shutdown", err))
	}
}

func (k *Link) lead(s side) {
	if k.first == side8(nobody) {
		k.first = side8(s)
	}
}

// fail notes that s has died. What the other side sends has no reader any more and is no longer carried; what s had
// sent still is. When the other side dies too, nothing is left to do.
func (k *Link) fail(s side, err error) {
	if side(k.failed) == s {
		return
	}
	if k.failed != side8(nobody) {
		k.done = true
		return
	}
	k.lead(s)
	k.failed, k.end = side8(s), ending(1+s)
	k.drop(s.other())
	k.at(s).set(readable | broken) // the event that tells it may have been used up
	k.rescue = &rescue{cause: fmt.Errorf("%v: %w", s, err), timer: loop.NewTimer(k), progress: k.loop.Now(), pause: firstPause / 2}
}

// judge finds a side that is dead although nothing could be read from it or written to it, and looks after a rescue.
func (k *Link) judge() {
	for _, s := range []side{theClient, theBackend} {
		if !k.done && k.failed == side8(nobody) && k.dead(s) && (k.at(s).is(dry) || k.stuck(s)) {
			k.fail(s, peek.ErrReset)
		}
	}
	if !k.done && k.failed != side8(nobody) {
		k.flush()
	}
}

// dead says whether s is known to have died. A socket that both sides have ended looks the same, unless it has an error.
func (k *Link) dead(s side) bool {
	return k.at(s).is(broken) || k.at(s).is(closed) && !k.at(s.other()).is(passed)
}

// stuck says whether bytes of s wait for the other side's room, so that reading does not tell what became of s.
func (k *Link) stuck(s side) bool { return k.at(s).parked != nil || !k.at(s.other()).is(writable) }

// flush sees to it that the side that lives gets what the failed one had sent: the relay is done when it has it, has
// died too, or has taken nothing for too long.
func (k *Link) flush() {
	r, from, live := k.rescue, k.at(side(k.failed)), k.at(side(k.failed).other())
	copied := from.is(dry) && from.parked == nil
	unsent, err := live.gauge().Unsent()
	delivered, _ := live.gauge().Delivered()
	now := headway{unsent, delivered}
	switch {
	case copied && unsent == 0 && err == nil, k.dead(side(k.failed).other()):
		k.done = true
		return
	case now != r.seen:
		r.seen, r.progress = now, k.loop.Now()
	case k.loop.Now().Sub(r.progress) >= k.stall():
		k.done = true
		return
	}
	r.pause = min(2*r.pause, lastPause)
	k.loop.Arm(&r.timer, r.pause)
}

func (k *Link) stall() time.Duration {
	if k.opts == nil || k.opts.Stall <= 0 {
		return defaultStall
	}
	return k.opts.Stall
}

// tell ends the link and says how it ended.
func (k *Link) tell() {
	k.told = true
	k.loop.Leave(k.token)
	for s := range k.ends {
		k.drop(side(s))
		k.scatter(side(s))
		if k.end == 0 {
			loop.Close(int(k.ends[s].fd))
		} else {
			loop.Reset(int(k.ends[s].fd))
		}
	}
	err := error(nil)
	if r := k.rescue; r != nil {
		k.loop.Disarm(&r.timer)
		err = fmt.Errorf("relaying: %w", r.cause)
	}
	at := k.loop.Group().At
	k.owner.RelayEnded(Result{
		Sent: k.ends[theClient].moved, Received: k.ends[theBackend].moved, Started: at(k.began), Ended: k.loop.Now(),
		LastSent: since(at, k.ends[theClient]), LastReceived: since(at, k.ends[theBackend]),
		End: endings[k.end], BackendFirst: side(k.first) == theBackend,
	}, err)
}

// since is when the last byte from e was moved; the zero time if none was.
func since(at func(time.Duration) time.Time, e end) time.Time {
	if e.moved == 0 {
		return time.Time{}
	}
	return at(e.last)
}
