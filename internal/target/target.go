// Package target owns the lifecycle of one target. A pure machine decides, one
// supervisor goroutine per target does: it alone owns the machine, the one timer,
// the waiting clients and the operation that runs. Everybody else asks it.
//
// A client gets a [Hold]: while any hold is out, or anybody waits for one, no stop
// begins. A client is counted in the same step that reads the state, so there is no
// moment between "nobody is left" and "stop" for it to fall into.
package target

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/state"
)

// ErrEnding is returned to clients that are refused because rouse ends.
var ErrEnding = errors.New("rouse is ending")

// A Prober says whether a target is ready. A connection that it returns has
// proven readiness and is good to serve a client; it may be nil.
type Prober interface {
	// Wait asks until the target at address is ready or ctx ends.
	Wait(ctx context.Context, address string) (net.Conn, error)
	// Once asks once, within a bound of its own.
	Once(ctx context.Context, address string) (net.Conn, error)
}

// A Store keeps what must survive a crash.
type Store interface {
	Load(target string) (state.Record, error)
	Save(state.Record) error
}

// Options describe a target. Name, Address, Driver, Prober and Store are needed;
// a zero duration becomes the default beside it.
type Options struct {
	Name    string
	Address string // backend, HOST:PORT, unless the driver learns another
	Driver  driver.Driver
	Prober  Prober
	Store   Store

	Cooldown     time.Duration // 30m: from the last release to the stop
	StartTimeout time.Duration // 5m: start action and probe together
	StopTimeout  time.Duration // 5m: stop action and verification together
	Backoff      time.Duration // 1s: pause after the first failure; doubles up to 128 times
	Look         time.Duration // 1m: how often to ask whether a sleeping target was started by somebody else; < 0 never

	Events *event.Log
	Logger *slog.Logger
}

func (o *Options) fill() {
	defaultTo(&o.Cooldown, 30*time.Minute)
	defaultTo(&o.StartTimeout, 5*time.Minute)
	defaultTo(&o.StopTimeout, 5*time.Minute)
	defaultTo(&o.Backoff, time.Second)
	defaultTo(&o.Look, time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func defaultTo(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// A Target is one thing that sleeps and wakes.
type Target struct {
	opts     Options
	requests chan request
	ended    chan struct{} // closed when Run has ended
	status   atomic.Pointer[Status]
}

// New returns a target; [Target.Run] brings it to life.
func New(opts Options) (*Target, error) {
	switch {
	case opts.Name == "":
		return nil, errors.New("a target needs a name")
	case opts.Driver == nil || opts.Prober == nil || opts.Store == nil:
		return nil, fmt.Errorf("target %q needs a driver, a prober and a store", opts.Name)
	}
	if _, _, err := net.SplitHostPort(opts.Address); err != nil {
		return nil, fmt.Errorf("target %q: backend address %q: %w", opts.Name, opts.Address, err)
	}
	opts.fill()
	t := &Target{opts: opts, requests: make(chan request), ended: make(chan struct{})}
	t.status.Store(&Status{Target: opts.Name, Address: opts.Address})
	return t, nil
}

// Name returns the target's name.
func (t *Target) Name() string { return t.opts.Name }

// Status returns the newest picture of the target. It never waits.
func (t *Target) Status() Status { return *t.status.Load() }

// Run owns the target until ctx ends. An operation that is then under way is left
// to itself ([driver.ErrDetach]) and every waiting client is refused.
func (t *Target) Run(ctx context.Context) error {
	defer close(t.ended)
	return newSupervisor(t).run(ctx)
}

// Acquire counts the caller as one who wants the target, wakes it if it sleeps, and
// waits until it is ready. cause says who wants it, in rouse's own words. When ctx ends first
// the wait is given up; the target is then no longer wanted by this caller.
func (t *Target) Acquire(ctx context.Context, cause string) (*Hold, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	h := &Hold{target: t, cause: cause}
	if err := h.wait(ctx, stepAcquired); err != nil {
		return nil, err
	}
	return h, nil
}

// Retire refuses whoever waits, lets nobody in any more, and stops the target once
// the last hold has been given back. It returns when the target is verified down,
// or with ctx's error.
func (t *Target) Retire(ctx context.Context) error {
	done := make(chan struct{})
	if err := t.send(ctx, request{step: stepRetired, done: done}); err != nil {
		return fmt.Errorf("stopping target %q: %w", t.opts.Name, err)
	}
	select {
	case <-done:
		return nil
	case <-t.ended:
		return fmt.Errorf("stopping target %q: %w", t.opts.Name, ErrEnding)
	case <-ctx.Done():
		err := context.Cause(ctx)
		if last := t.Status().Err; last != nil {
			err = fmt.Errorf("%w: %w", err, last)
		}
		return fmt.Errorf("ending: %w", err)
	}
}

func (t *Target) send(ctx context.Context, r request) error {
	select {
	case t.requests <- r:
		return nil
	case <-t.ended:
		return ErrEnding
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// request is what callers send to the supervisor.
type request struct {
	step stepKind
	hold *Hold         // of acquired, suspected, abandoned, released
	done chan struct{} // of retired: closed when the target is down
}

// A Hold keeps the target awake until it is released.
type Hold struct {
	target *Target
	cause  string
	once   sync.Once

	// Owned by the supervisor while the hold waits, by the holder once answered.
	answer chan error    // buffered: the supervisor never waits for a caller
	place  *list.Element // in the queue; nil once answered
	grant  grant
}

// grant is what a holder learns when it is let in.
type grant struct {
	address string
	epoch   uint64
	conn    net.Conn // the connection that proved the target ready; first client only
}

// Address returns where the target is to be dialled, HOST:PORT.
func (h *Hold) Address() string { return h.grant.address }

// Epoch returns the number of the run that the hold belongs to.
func (h *Hold) Epoch() uint64 { return h.grant.epoch }

// TakeConn returns the connection that proved the target ready, or nil. The caller
// owns it from then on; a second call returns nil.
func (h *Hold) TakeConn() net.Conn {
	conn := h.grant.conn
	h.grant.conn = nil
	return conn
}

// Release gives the hold back. Calls after the first do nothing.
func (h *Hold) Release() { h.giveBack(stepReleased) }

func (h *Hold) giveBack(step stepKind) {
	h.once.Do(func() {
		h.closeConn()
		_ = h.target.send(context.Background(), request{step: step, hold: h}) // an ended target counts no more
	})
}

// Doubt gives the hold back and says that its backend accepted and ended at once, as a
// port forwarder does whose target has gone: the target is asked whether it is still there.
func (h *Hold) Doubt() { h.giveBack(stepDoubted) }

// Suspect says that nobody answered at the hold's address although the target was
// ready. In one step the hold becomes a wait, so the target cannot be stopped in
// between, and the target is asked again, and woken if need be. On success the hold is good
// again; on error it is gone and Release does nothing.
func (h *Hold) Suspect(ctx context.Context) error {
	h.closeConn()
	return h.wait(ctx, stepSuspected)
}

func (h *Hold) wait(ctx context.Context, step stepKind) error {
	h.answer = make(chan error, 1)
	// The request itself must arrive: a suspecting holder is still counted.
	sendCtx := ctx
	if step == stepSuspected {
		sendCtx = context.WithoutCancel(ctx)
	}
	if err := h.target.send(sendCtx, request{step: step, hold: h}); err != nil {
		h.once.Do(func() {})
		return err
	}
	select {
	case err := <-h.answer:
		return h.answered(err)
	case <-ctx.Done():
	}
	_ = h.target.send(context.Background(), request{step: stepAbandoned, hold: h})
	if err := <-h.answer; err == nil {
		h.Release() // granted in the moment of leaving
		return context.Cause(ctx)
	}
	h.once.Do(func() {})
	return context.Cause(ctx)
}

func (h *Hold) answered(err error) error {
	if err != nil {
		h.once.Do(func() {}) // nothing is held: Release must not count
	}
	return err
}

func (h *Hold) closeConn() {
	if conn := h.TakeConn(); conn != nil {
		_ = conn.Close()
	}
}

// Status is a picture of a target at one moment.
type Status struct {
	Target    string
	State     State
	Since     time.Time // when the state was entered
	Epoch     uint64
	Address   string
	Operation string    // check, start, stop or none
	Held      int       // holds that are out
	Waiting   int       // clients that wait for one
	StopAt    time.Time // when the cooldown ends; zero when it does not run
	Err       error     // the newest failure; nil after a success
}
