// Package proxy carries a connection from accept to account: accept, admit,
// acquire a hold (which wakes the target and waits), connect, relay, account,
// release. A listener never ends because of an error that heals: it pauses, says
// so, and goes on. While a client waits its bytes stay in the kernel, and its
// socket is watched without being read, so that one that leaves is not waited for.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/target"
)

const (
	firstPause = 5 * time.Millisecond // after an accept that failed
	lastPause  = time.Second          // the pause doubles up to this
	quietTime  = 5 * time.Second      // between two log lines about the same trouble
)

// A Waker is what a listener needs of a target.
type Waker interface {
	Subject
	Holder
}

// A Subject tells of itself.
type Subject interface {
	Name() string
	Status() target.Status
}

// A Holder gives holds, as the methods of a target do.
type Holder interface {
	Acquire(ctx context.Context, cause string) (*target.Hold, error)
	TryHold(h *target.Hold) bool
	Ask(h *target.Hold, w target.Waiter)
}

// A Dialer connects to a backend that is ready.
type Dialer func(ctx context.Context, address string) (net.Conn, error)

// Options describe a listener. Target, Dial, Slots and Events are needed; Direct too where there are Loops.
type Options struct {
	Target      Waker
	Port        uint16 // dialled at the target's host, wherever that is; 0: the target's address as it is
	Blame       *Blame // shared by the listeners of the target; its own when nil
	Dial        Dialer
	Slots       *gate.Slots
	Patience    time.Duration // longest wait of one client, all in all; 15m when 0
	ReleaseRate float64       // clients a second that are let through to a target that has woken; no limit when 0
	Events      *event.Log
	Logger      *slog.Logger

	// Loops carry the clients of a TCP listener of the kernel; nil, as on systems without them: a goroutine carries each.
	Loops *loop.Group
	// Spare is how many descriptors may be taken beside two for each client: for fresh attempts at a target that does not
	// answer. 64 when 0.
	Spare int
	// Direct returns where to connect to for an address, if that needs no name to be resolved; else the zero AddrPort.
	Direct func(address string) (netip.AddrPort, error)
}

// address returns where the clients of this listener are connected to once they hold the target.
func (o *Options) address(h *target.Hold) string {
	if o.Port == 0 {
		return h.Address()
	}
	host, _, err := net.SplitHostPort(h.Address())
	if err != nil {
		return h.Address() // the dial says what is wrong with it
	}
	return net.JoinHostPort(host, strconv.Itoa(int(o.Port)))
}

// takeConn returns the connection that proved the target ready, if the hold has one and it leads to where this listener's
// clients want to go. It is closed if it leads to another port.
func (o *Options) takeConn(h *target.Hold) net.Conn {
	conn := h.TakeConn()
	if conn != nil && o.Port != 0 {
		_ = conn.Close()
		return nil
	}
	return conn
}

// blamePause lies between two times that a target is asked for a port that the probe does not ask.
const blamePause = 10 * time.Second

// A Blame is what the listeners of one target have in common that lead to ports of their own. Such a port may not be
// served, or not yet, while the target is up: to ask the target for each client, and for each of its dials, would only
// shut the door for the clients of others.
type Blame struct {
	began time.Time
	next  atomic.Int64 // when the target may be asked again, in nanoseconds since began: no clock that jumps
}

// NewBlame returns one that blames at once.
func NewBlame() *Blame { return &Blame{began: time.Now()} }

// due says whether the target is to be asked now.
func (b *Blame) due() bool {
	now, next := time.Since(b.began), b.next.Load()
	return int64(now) >= next && b.next.CompareAndSwap(next, int64(now+blamePause))
}

// blames says whether the target is to be asked after a dial that has failed.
func (o *Options) blames() bool { return o.Port == 0 || o.Blame.due() }

// A Listener serves the clients of one route.
type Listener struct {
	opts  Options
	began time.Time
	quiet atomic.Int64 // no log line about trouble before this, in nanoseconds since began: no clock that jumps
}

// New returns a listener.
func New(opts Options) *Listener {
	if opts.Patience == 0 {
		opts.Patience = 15 * time.Minute
	}
	if opts.Blame == nil {
		opts.Blame = NewBlame()
	}
	if opts.Spare == 0 {
		opts.Spare = 64
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Listener{opts: opts, began: time.Now()}
}

// Serve accepts clients from ln until accepting ends; clients that wait then are
// refused. It returns when the last client has ended; those that are still there when
// serving ends are cut. It closes ln.
func (l *Listener) Serve(accepting, serving context.Context, ln net.Listener) error {
	defer ln.Close()
	if served, err := l.serveLoops(accepting, serving, ln); served {
		return err
	}
	defer context.AfterFunc(accepting, func() { _ = ln.Close() })()
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		if err := l.slot(accepting); err != nil {
			return nil
		}
		conn, err := l.accept(accepting, ln)
		if err != nil {
			l.opts.Slots.Release()
			if accepting.Err() != nil {
				return nil
			}
			return fmt.Errorf("accepting clients on %v: %w", ln.Addr(), err)
		}
		clients.Go(func() {
			defer l.opts.Slots.Release()
			defer l.contain(conn)
			l.handle(accepting, serving, conn)
		})
	}
}

// slot waits until one more client may be served. Until then new clients queue in the kernel.
func (l *Listener) slot(ctx context.Context) error {
	if l.opts.Slots.TryAcquire() {
		return nil
	}
	l.complain("at the limit of clients, new ones wait", "limit", l.opts.Slots.Cap())
	return l.opts.Slots.Acquire(ctx)
}

// accept returns the next client. Trouble that heals (no descriptors, no memory, a
// client that has gone already) never ends the listener and never spins.
func (l *Listener) accept(ctx context.Context, ln net.Listener) (net.Conn, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		conn, err := ln.Accept()
		if err == nil || errors.Is(err, net.ErrClosed) {
			return conn, err
		}
		l.complain("cannot accept clients, will try again", "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// contain keeps a panic from taking more than its own client down. What the client
// held has been given back by then.
func (l *Listener) contain(conn net.Conn) {
	if p := recover(); p != nil {
		l.faulted(fmt.Sprintf("%v\n%s", p, debug.Stack()))
		reset(conn)
	}
}

func (l *Listener) faulted(what any) {
	l.opts.Logger.Error("a fault of rouse itself has cut one client; please report it", "target", l.opts.Target.Name(), "panic", what)
}

// reset ends a connection so that its peer knows that something was lost.
func reset(conn net.Conn) {
	if lingerer, ok := conn.(interface{ SetLinger(sec int) error }); ok {
		_ = lingerer.SetLinger(0)
	}
	_ = conn.Close()
}

// complain logs trouble at most once per quietTime.
func (l *Listener) complain(msg string, args ...any) {
	now, quiet := time.Since(l.began), l.quiet.Load()
	if int64(now) < quiet || !l.quiet.CompareAndSwap(quiet, int64(now+quietTime)) {
		return
	}
	l.opts.Logger.Warn(msg, append(args, "target", l.opts.Target.Name())...)
}
