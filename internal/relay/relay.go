// Package relay copies bytes both ways between a client and a backend until both directions have ended.
//
// What one side does, the other side sees, as if the two were connected directly:
//
//	one side                                     the other side sees
//	sends bytes                                  the same bytes in the same order
//	stops reading                                its writes are held back, for as long as it takes
//	ends its stream (half-close, quiet close)    the end of the stream, behind all bytes; it may go on sending
//	resets, or falls silent for good             the bytes sent before, then a reset
//	ends its stream, then resets                 the bytes sent before, the end of the stream, then a reset
//	closes though the other still sends          the bytes sent before, the end of the stream, then a reset
//	(an answer before the request was read)
//	has ended its stream, as has the other       nothing more: both connections are closed quietly
//	none, but the context ends                   a reset, at once
//
// So an end of stream never stands for a failure: it is passed on only where the other side really ended its
// stream and everything before it was delivered. And whoever sent bytes that did not arrive gets a reset.
//
// Bytes go before a reset: what the failed side had sent is first delivered, until the system of the side that
// lives has acknowledged all of it. A reader that takes nothing for [Options.Stall] is then cut off; where the system
// cannot tell what is acknowledged (package peek), the reset follows Stall after the failure.
//
// There are two engines. A [Link], on Linux, runs on an event loop and costs nothing but its two sockets while nothing
// moves. [Run] is for every other system and for connections that are not sockets: one goroutine per direction copies,
// through a buffer that it has only while there is something to copy, and tells its owner how the copy ended; when that was
// the end of the stream, it stays to watch for a reset, which nobody reads any more. The goroutine of Run owns all state and
// decides.
//
// Linux tells a reset once, to the reader or the writer, whoever asks first; to the other a broken connection seems to
// have ended its stream. So an end of stream that was read from a broken connection is believed only when the system says
// that one had arrived ([peek.Ended]).
package relay

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Conn is a connection whose two directions end apart from each other: a *net.TCPConn. Anything else must
// implement the interfaces of package peek for Run to see failures as it does on TCP.
type Conn interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
}

var _ Conn = (*net.TCPConn)(nil)

// Options change how Run works. The zero value is good.
type Options struct {
	// KeepAlive is set on both connections if they are TCP. The zero value means [KeepAlive].
	KeepAlive net.KeepAliveConfig
	// Stall is how long, after one side has failed, the other may take nothing of the bytes that remain for it before
	// it is cut off. 0 means 5 seconds.
	Stall time.Duration
	// Watch is the beat on which Run checks a side whose bytes wait for a reader that does not read, as nothing else
	// would tell that it was reset; and one that bytes are under way to. 0 means 10 seconds.
	Watch time.Duration
	// Moved is counted up by the bytes that are written, either way, while the relay goes on. nil: nobody wants to know.
	Moved *atomic.Int64
}

const (
	defaultStall = 5 * time.Second
	defaultWatch = 10 * time.Second
)

func (o *Options) stall() time.Duration {
	if o.Stall <= 0 {
		return defaultStall
	}
	return o.Stall
}

// KeepAlive returns how Run makes the system ask an idle peer whether it is still there: after 15 seconds of
// silence, then every 5 seconds, three times. A peer that has vanished is noticed after 30 seconds. With bytes under way to
// it the system asks nothing and tries to deliver them, on Linux for about 15 minutes. There both engines look for
// themselves whether such a peer says anything ([peek.Vanished]), and give it up after [peek.Silence], and a look's beat.
func KeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}
}

// An End is why a relay has ended.
type End string

// The ends. A reset stands for every way in which a connection dies in both directions, among them a peer that has
// fallen silent; the error of [Run] tells which it was.
const (
	EndClosed       End = "closed"        // both sides ended their streams
	EndClientReset  End = "client_reset"  // the client's connection died first
	EndBackendReset End = "backend_reset" // the backend's connection died first
	EndCanceled     End = "canceled"      // the context ended
)

// A Result is the account of one relay.
type Result struct {
	Sent     int64     // bytes from the client that were written to the backend's socket
	Received int64     // bytes from the backend that were written to the client's socket
	Started  time.Time // when Run was called
	Ended    time.Time // when both connections were closed
	// LastSent and LastReceived are when the last of these bytes were written; zero if there were none.
	LastSent, LastReceived time.Time
	End                    End
	// BackendFirst says that the backend ended its stream, or died, before the client did.
	BackendFirst bool
}

// Run relays between client and backend until both have ended their streams, one of them has failed or ctx has
// ended. It takes the connections over: it clears their deadlines, sets their keepalive, and when it returns both
// are closed and nothing of it runs any more.
//
// The error is nil for [EndClosed]. Else it wraps what ended the relay: the error of the connection that died, or
// the cause of ctx.
func Run(ctx context.Context, client, backend Conn, opts Options) (Result, error) {
	res := Result{Started: time.Now()}
	r := newRelay(client, backend, opts)
	var wg sync.WaitGroup
	wg.Go(func() { r.carry(ctx, theClient) })
	wg.Go(func() { r.carry(ctx, theBackend) })
	r.own(ctx)
	r.close()
	wg.Wait()
	res.Sent, res.Received = r.moved[theClient], r.moved[theBackend]
	res.LastSent, res.LastReceived = r.last[theClient], r.last[theBackend]
	res.Ended, res.End, res.BackendFirst = time.Now(), r.end, r.first == theBackend
	if r.cause != nil {
		return res, fmt.Errorf("relaying: %w", r.cause)
	}
	return res, nil
}
