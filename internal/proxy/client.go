package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/peek"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/relay"
	"github.com/rouse-proxy/rouse/internal/target"
)

const (
	dialTimeout = 5 * time.Second // for a backend that is believed ready
	dialPause   = 50 * time.Millisecond
	tooSoon     = time.Second // a backend that ends without a byte within this may be a forwarder whose target has gone
)

// errFault is why a client is refused or cut in the middle of something.
var errFault = errors.New("a fault of rouse itself")

// errPatience is why a client is refused that has waited too long.
var errPatience = errors.New("the target did not get ready in time")

// handle carries one client from accept to account. One that still waits when
// accepting ends is told to come back: the next rouse may serve it long before this
// one has drained.
func (l *Listener) handle(accepting, serving context.Context, conn net.Conn, plan *Plan) {
	c := l.arrived(conn, plan)
	accepting, unwait := context.WithCancelCause(accepting)
	serving, cut := context.WithCancelCause(serving)
	defer unwait(nil)
	defer cut(nil)
	c.evict = func() {
		unwait(target.ErrUnwanted)
		cut(target.ErrUnwanted)
	}
	admission, err := c.admit(accepting)
	if err != nil || admission.checker != nil {
		c.dismiss(admission, err)
		return
	}
	waiting, watched := watch(accepting, conn, c.lane.Patience)
	hold, err := c.acquire(waiting, admission)
	stay := &stay{client: c, hold: hold}
	if err == nil {
		defer stay.forget() // behind the release
		defer hold.Release()
		defer c.cut()
		var leave func()
		if leave, err = c.sit(waiting); err == nil {
			defer leave()
			err = l.connect(waiting, c, hold)
		}
	}
	if watched(); err != nil {
		c.refuse(err)
		return
	}
	if err := c.introduce(); err != nil {
		c.refuse(err)
		return
	}
	c.served(hold)
	defer l.crew.join(c, cut)()
	stay.after(admission.count)
	result, err := stay.relay(serving)
	stay.end()
	c.visits = hold.Visits()
	c.account(result, err)
	if c.lane.doubts(result) {
		hold.Doubt()
	}
}

// connect gives the client a connection to the backend: the one that proved the
// target ready, or its own. When nobody answers, the target's readiness is in
// doubt, and the client goes back to waiting.
func (l *Listener) connect(ctx context.Context, c *client, hold *target.Hold) error {
	for attempt := 0; ; attempt++ {
		if c.backend = c.lane.takeConn(hold); c.backend != nil {
			return nil
		}
		if err := rest(ctx, attempt); err != nil {
			return fmt.Errorf("%w; the last try: %w", err, c.trouble)
		}
		dialing, cancel := context.WithTimeout(ctx, dialTimeout)
		hold.Refresh()
		conn, err := c.lane.dial(dialing, c.lane.address(hold), c.from)
		cancel()
		switch {
		case err == nil:
			c.backend = conn
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, probe.ErrOtherFamily): // for good
			return err
		}
		c.suspect(err)
		if errors.Is(err, probe.ErrCannotAsk) || !c.lane.blames() {
			continue // nothing is known against the target
		}
		if err := hold.Suspect(ctx); err != nil {
			return err
		}
	}
}

// restBefore is how long to rest before a dial, after so many that came to nothing: at least one.
func restBefore(attempt int) time.Duration { return min(dialPause<<min(attempt-1, 8), time.Second) }

// rest keeps answers that change from one moment to the next from being asked for in a spin.
func rest(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return nil
	}
	select {
	case <-time.After(restBefore(attempt)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// watch returns a context that ends when the client leaves, when its patience is
// over, or with ctx; and a function that ends the watch and returns once the
// connection is the caller's own again.
func watch(ctx context.Context, conn net.Conn, patience time.Duration) (context.Context, func()) {
	patient, stop := context.WithTimeoutCause(ctx, patience, errPatience)
	watched, cancel := context.WithCancelCause(patient)
	done := make(chan struct{})
	go watchClient(watched, conn, cancel, done)
	return watched, func() {
		cancel(nil)
		<-done
		stop()
	}
}

func watchClient(ctx context.Context, conn net.Conn, cancel context.CancelCauseFunc, done chan<- struct{}) {
	defer close(done)
	if err := peek.WaitGone(ctx, conn); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		cancel(err)
	}
}

// client is one connection's account.
type client struct {
	events  *event.Log
	route   string
	plan    *Plan
	lane    *Lane // its first one until it is chosen
	conn    net.Conn
	backend net.Conn
	from    netip.AddrPort // of the client; zero: it has none
	to      netip.AddrPort // where it has connected to, if a PROXY header has said it
	address string         // of the client, as events have it
	cause   string
	arrived time.Time
	evict   func() // ends it, if it is a visitor
	trouble error  // the newest with its backend
	relayed bool   // it was connected
	over    bool   // its end is told
	visits  bool   // it ends as a visitor
}

func (l *Listener) arrived(conn net.Conn, plan *Plan) *client {
	c := &client{events: l.opts.Events, route: l.opts.Route, plan: plan, lane: plan.first(), conn: conn, arrived: time.Now()}
	c.is(addressOf(conn.RemoteAddr()))
	if c.address == "" {
		c.address = "unix socket"
		if a := conn.RemoteAddr(); a != nil && a.String() != "" && a.Network() != "unix" {
			c.address = a.String()
		}
	}
	c.cause = "client " + c.address
	return c
}

// is says who the client is.
func (c *client) is(from netip.AddrPort) {
	if from.IsValid() {
		c.from, c.address = from, from.String()
		c.cause = "client " + c.address
	}
}

// addressOf returns an address of TCP; zero for any other.
func addressOf(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port())
}

// cut ends a client that a fault has left without an end. It comes before the hold is given
// back, as every end does: whoever reads the events sees nothing stopped under a client.
func (c *client) cut() {
	switch {
	case c.over:
	case c.relayed:
		reset(c.conn)
		_ = c.backend.Close()
		c.account(relay.Result{Started: c.arrived, Ended: time.Now(), End: relay.EndCanceled}, errFault)
	default:
		c.refuse(errFault)
	}
}

func (c *client) emit(e event.Event) {
	e.Target, e.Client, e.Route = c.lane.Target.Name(), c.address, c.route
	c.events.Emit(e)
}

// refuse ends a client that is not served with a reset: a clean end without a byte
// would look like an empty answer.
func (c *client) refuse(err error) {
	c.over = true
	if c.backend != nil {
		_ = c.backend.Close()
	}
	reset(c.conn)
	e := event.Event{Kind: event.ClientRefused, Elapsed: time.Since(c.arrived), Err: err}
	if errors.Is(err, peek.ErrLeft) || errors.Is(err, peek.ErrReset) {
		e = event.Event{Kind: event.ClientLeft, Elapsed: e.Elapsed, Cause: err.Error()}
	}
	c.emit(e)
}

// suspect tells that the backend could not be connected to; once for each trouble.
func (c *client) suspect(err error) {
	if c.trouble == nil || c.trouble.Error() != err.Error() {
		c.emit(event.Event{Kind: event.BackendSuspect, Err: err})
	}
	c.trouble = err
}

func (c *client) served(hold *target.Hold) {
	c.relayed = true
	c.emit(event.Event{Kind: event.ClientServed, Epoch: hold.Epoch(), Elapsed: time.Since(c.arrived), Visits: hold.Visits()})
}

func (c *client) account(r relay.Result, err error) {
	c.over = true
	c.lane.Meter.Add(r)
	e := ended(r, err)
	e.Waited, e.Visits = r.Started.Sub(c.arrived), c.visits
	c.emit(e)
}

// ended is the account of a client that was served. A reset needs no more words than its cause; a silence does.
func ended(r relay.Result, err error) event.Event {
	e := event.Event{Kind: event.ClientEnded, Elapsed: r.Ended.Sub(r.Started), Sent: r.Sent, Received: r.Received, Cause: string(r.End)}
	for _, ours := range []error{errQuiet, target.ErrUnwanted, target.ErrEvicted} {
		if errors.Is(err, ours) {
			e.Cause, err = ours.Error(), nil
		}
	}
	if r.End != relay.EndCanceled && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		e.Err = err
	}
	return e
}
