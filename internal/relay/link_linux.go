package relay

import (
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
)

// ErrFault marks a relay that a fault of rouse itself has ended.
var ErrFault = errors.New("a fault of rouse itself")

// LinkEvents is what both sockets of a [Link] are to be watched for.
const LinkEvents = loop.In | loop.Out | loop.Urgent | loop.HangingUp | loop.Edge

// ClientTag is the tag that a Link's client is watched with; the backend has any higher one.
const ClientTag = 0

// A Socket is one side of a link.
type Socket struct {
	FD      int
	Seen    loop.Events // that were told before the link took over
	NoDelay bool        // it has TCP_NODELAY already
}

// LinkOptions say what a link connects.
type LinkOptions struct {
	Patrol          *Patrol    // of the loop that the link is to be on
	Token           loop.Token // under which both sockets are watched for [LinkEvents]
	Client, Backend Socket
	Owner           Owner
	Meter           *Meter // counts what is carried; nil: nobody wants to know
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
	patrol *Patrol
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
	meter         *Meter
	place         int32 // among those that the patrol looks after, from 1; 0: it does not
}

// side8 is a side in one byte.
type side8 int8

// ending is an [End] in one byte.
type ending uint8

var endings = [...]End{EndClosed, EndClientReset, EndBackendReset, canceled: EndCanceled}

const canceled ending = 3

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

// Start begins to relay. The link must be a new one.
func (k *Link) Start(o LinkOptions) {
	l := o.Patrol.loop
	*k = Link{loop: l, token: o.Token, owner: o.Owner, patrol: o.Patrol, began: l.Clock(), first: side8(nobody), failed: side8(nobody), meter: o.Meter}
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
	k.patrol.forget(k)
	for s := range k.ends {
		k.scatter(side(s))
		_ = k.loop.Forget(int(k.ends[s].fd)) // it is watched
	}
	k.loop.Leave(k.token)
}

// Enter makes the link another loop's, where both sockets are to be watched then: everything that is so already is told
// there, and the link goes on.
func (k *Link) Enter(p *Patrol, t loop.Token) {
	k.loop, k.patrol, k.token = p.loop, p, t
	p.follow(k)
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
		k.end, k.rescue = canceled, &rescue{cause: cause}
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

// tell ends the link and says how it ended.
func (k *Link) tell() {
	k.told = true
	k.patrol.forget(k)
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
