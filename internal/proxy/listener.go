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
	Host
}

// A Subject tells of itself.
type Subject interface {
	Name() string
	Status() target.Status
}

// A Holder gives holds, as the methods of a target do.
type Holder interface {
	AcquireFor(ctx context.Context, wish target.Wish) (*target.Hold, error)
	TryHold(h *target.Hold) bool
	Ask(h *target.Hold, w target.Waiter)
}

// A Host lets clients in whom it is not kept awake for.
type Host interface {
	TryVisit(h *target.Hold, evict func()) bool
}

// A Dialer connects to a backend that is ready.
type Dialer func(ctx context.Context, address string) (net.Conn, error)

// Options describe a listener. Slots and Events are needed, and a Plan; or Target, Dial, and Direct where there are loops, for a
// plan of one lane.
type Options struct {
	Plan   *Plan
	Slots  *gate.Slots
	Events *event.Log
	Logger *slog.Logger
	Route  string // what events call this listener

	// Loops carry the clients of a TCP listener of the kernel; nil, as on systems without them: a goroutine carries each.
	Loops *loop.Group
	// Spare is how many descriptors may be taken beside two for each client: for fresh attempts at a target that does not
	// answer. 64 when 0.
	Spare int

	// Those of the one lane, see [Lane]; for who has no Plan.
	Target      Waker
	Port        uint16
	Blame       *Blame
	Dial        Dialer
	Patience    time.Duration
	ReleaseRate float64
	Direct      func(address string) (netip.AddrPort, error)
}

// plan returns that of one lane.
func (o *Options) plan() *Plan {
	return &Plan{Default: &Lane{
		Target: o.Target, Port: o.Port, Blame: o.Blame, Dial: o.Dial, Patience: o.Patience, ReleaseRate: o.ReleaseRate, Direct: o.Direct,
	}}
}

// A Listener serves the clients of one address.
type Listener struct {
	opts   Options
	plan   atomic.Pointer[Plan]
	closed chan struct{} // by Close: nobody new is accepted, and who is there stays
	once   sync.Once
	began  time.Time
	crew   crew
	door   atomic.Value // the *door, once there is one
	quiet  atomic.Int64 // no log line about trouble before this, in nanoseconds since began: no clock that jumps
}

// New returns a listener.
func New(opts Options) *Listener {
	if opts.Plan == nil {
		opts.Plan = opts.plan()
	}
	if opts.Spare == 0 {
		opts.Spare = 64
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Listener{opts: opts, began: time.Now(), closed: make(chan struct{})}
	l.Change(opts.Plan)
	return l
}

// Change puts another plan in force, for those who come from now on.
func (l *Listener) Change(p *Plan) {
	p.fill()
	l.plan.Store(p)
}

// Repause has the plan in force look at the pauses of its lanes again.
func (l *Listener) Repause() { l.Change(l.plan.Load().again()) }

// Close ends accepting at this address. Who is there, or waits, is served to the end; then Serve returns.
func (l *Listener) Close() { l.once.Do(func() { close(l.closed) }) }

// over says that nobody is accepted any more.
func (l *Listener) over(accepting context.Context) bool {
	select {
	case <-l.closed:
		return true
	default:
		return accepting.Err() != nil
	}
}

// name is of the target that complaints are about which concern no lane alone.
func (l *Listener) name() string { return l.plan.Load().first().Target.Name() }

// Serve accepts clients from ln until accepting ends; clients that wait then are
// refused. It returns when the last client has ended; those that are still there when
// serving ends are cut. It closes ln.
func (l *Listener) Serve(accepting, serving context.Context, ln net.Listener) error {
	defer ln.Close()
	if served, err := l.serveLoops(accepting, serving, ln); served {
		return err
	}
	open, end := context.WithCancelCause(accepting)
	defer end(nil)
	go func() {
		select {
		case <-l.closed:
		case <-open.Done():
		}
		end(nil)
		_ = ln.Close()
	}()
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		if err := l.slot(open); err != nil {
			return nil
		}
		conn, err := l.accept(open, ln)
		if err != nil {
			l.opts.Slots.Release()
			if l.over(accepting) {
				return nil
			}
			return fmt.Errorf("accepting clients on %v: %w", ln.Addr(), err)
		}
		clients.Go(func() {
			defer l.opts.Slots.Release()
			defer l.contain(conn)
			l.handle(accepting, serving, conn, l.plan.Load())
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
	l.opts.Logger.Error("a fault of rouse itself has cut one client; please report it", "target", l.name(), "panic", what)
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
	l.opts.Logger.Warn(msg, append(args, "target", l.name())...)
}
