// Package target owns the lifecycle of one target. A pure machine decides, one
// supervisor goroutine per target does: it alone owns the machine, the one timer,
// the waiting clients and the operation that runs. Everybody else asks it, through a
// mailbox that makes nobody wait.
//
// A client gets a [Hold]: while any hold is out, or anybody waits for one, no stop
// begins. A client is counted in the same step that reads the state, so there is no
// moment between "nobody is left" and "stop" for it to fall into.
//
// Holds are counted in one atomic word, the door. While the target is ready the door is
// open, and a client takes and gives back a hold without the supervisor. The supervisor
// shuts the door before each step that may end this, and so decides on an exact count.
package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
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
	Backoff      time.Duration // 1s: pause after the first failure; it doubles with each that follows
	LongestPause time.Duration // 128 times Backoff: what it becomes at most
	RefuseAfter  int           // 3: failed starts in a row through which new clients wait; < 0 none
	Look         time.Duration // 1m: how often to ask whether a sleeping target was started by somebody else; < 0 never
	MinUptime    time.Duration // how long it is up at least, from the beginning of its start

	Budget    Budget // nil: starts cost nothing
	Rested    func() // is told each time that the target is known to be stopped, on the supervisor's goroutine; nil: nobody wants to know
	Veto      Veto
	CrashLoop CrashLoop
	NeverWake func() error // says why nobody but who commands may wake it now; nil: it may always be woken

	Events *event.Log
	Logger *slog.Logger

	// Suspended is for how long this machine has been suspended, all in all; as far as it knows when nil. A cooldown goes on
	// then, although timers stand still.
	Suspended func() time.Duration
}

func (o *Options) fill() {
	defaultTo(&o.Cooldown, 30*time.Minute)
	defaultTo(&o.StartTimeout, 5*time.Minute)
	defaultTo(&o.StopTimeout, 5*time.Minute)
	defaultTo(&o.Backoff, time.Second)
	defaultTo(&o.LongestPause, o.Backoff<<maxDoublings)
	defaultTo(&o.Look, time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Suspended == nil {
		o.Suspended = suspended
	}
}

func defaultTo(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// A Target is one thing that sleeps and wakes.
type Target struct {
	opts   Options
	door   door
	lobby  lobby
	grant  atomic.Pointer[grant] // of those who enter through the door; beside its word, which they have just fetched
	mail   mailbox
	status atomic.Pointer[Status] // but for the holds, which the door counts
	begun  chan struct{}          // closed when Run reads the mailbox
	ended  chan struct{}          // closed when Run has ended
}

// New returns a target; [Target.Run] brings it to life.
func New(opts Options) (*Target, error) {
	switch {
	case opts.Name == "":
		return nil, errors.New("a target needs a name")
	case opts.Driver == nil || opts.Prober == nil || opts.Store == nil:
		return nil, fmt.Errorf("target %q needs a driver, a prober and a store", opts.Name)
	}
	if err := checkAddress(opts.Address); err != nil {
		return nil, fmt.Errorf("target %q: backend address %q: %w", opts.Name, opts.Address, err)
	}
	opts.fill()
	t := &Target{opts: opts, begun: make(chan struct{}), ended: make(chan struct{})}
	t.door.nudge, t.mail.signal = make(chan struct{}, 1), make(chan struct{}, 1)
	t.status.Store(&Status{Target: opts.Name, Address: opts.Address})
	return t, nil
}

// checkAddress says what is wrong with an address, HOST:PORT or unix:PATH.
func checkAddress(address string) error {
	if strings.HasPrefix(address, "unix:") {
		return nil
	}
	_, _, err := net.SplitHostPort(address)
	return err
}

// Change puts other settings in force: at once, or when the operation that runs has ended. What is going on goes on: the state,
// the holds, who waits, and the cooldown from where it began. An address is that of the next run if a driver has told where
// this one is. The name, the store, the events and the logger stay.
func (t *Target) Change(opts Options) error {
	if err := checkAddress(opts.Address); err != nil {
		return fmt.Errorf("target %q: backend address %q: %w", t.opts.Name, opts.Address, err)
	}
	opts.fill()
	if !t.mail.put(request{step: stepChanged, opts: &opts}) {
		return fmt.Errorf("changing target %q: %w", t.opts.Name, ErrEnding)
	}
	return nil
}

// adopt takes the settings of another one that may change.
func (o *Options) adopt(n *Options) {
	o.Address, o.Driver, o.Prober, o.Budget, o.NeverWake = n.Address, n.Driver, n.Prober, n.Budget, n.NeverWake
	o.LongestPause, o.RefuseAfter, o.Veto, o.CrashLoop = n.LongestPause, n.RefuseAfter, n.Veto, n.CrashLoop
	o.Cooldown, o.StartTimeout, o.StopTimeout, o.Backoff, o.Look, o.MinUptime = n.Cooldown, n.StartTimeout, n.StopTimeout, n.Backoff, n.Look, n.MinUptime
}

// Name returns the target's name.
func (t *Target) Name() string { return t.opts.Name }

// Status returns the newest picture of the target. It never waits.
func (t *Target) Status() Status {
	st := *t.status.Load()
	st.Visitors = t.lobby.count()
	if st.Held = t.door.held(); st.Held > 0 {
		st.StopAt = time.Time{} // the supervisor may not have been told yet
	}
	return st
}

// Run owns the target until ctx ends. An operation that is then under way is left
// to itself ([driver.ErrDetach]) and every waiting client is refused. A fault of rouse's own costs those
// who wait, and nobody else: the target is then supervised anew from what is known of it. The error is one that came
// back while ctx had ended.
func (t *Target) Run(ctx context.Context) error {
	defer close(t.ended)
	s := newSupervisor(t)
	s.load()
	go s.recorder.run() // recorder.stop waits for it, within bounds
	close(t.begun)
	for ending := false; ; ending = ctx.Err() != nil {
		err := s.live(ctx)
		if err == nil {
			return nil
		}
		t.opts.Logger.Error("a fault of rouse itself has struck a target, which is asked anew; please report it", "target", t.opts.Name, "err", err)
		if s = s.successor(); ending {
			s.abandon()
			return err
		}
		select {
		case <-time.After(faultPause):
		case <-ctx.Done():
		}
	}
}

// Retire refuses whoever waits, lets nobody in any more, and stops the target once
// the last hold has been given back. It returns when the target is verified down,
// or with ctx's error.
func (t *Target) Retire(ctx context.Context) error {
	done := make(chan struct{})
	if !t.mail.put(request{step: stepRetired, done: done}) {
		return fmt.Errorf("stopping target %q: %w", t.opts.Name, ErrEnding)
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

// Status is a picture of a target at one moment.
type Status struct {
	Target    string
	State     State
	Since     time.Time // when the state was entered
	Epoch     uint64
	Address   string
	Operation string    // check, start, stop or none
	Held      int       // holds that are out
	Visitors  int       // clients that are served without holding it
	Waiting   int       // clients that wait for one
	StopAt    time.Time // when the cooldown ends, or a target that is busy is asked again; zero when neither is so
	Busy      bool      // the stop is put off
	Err       error     // the newest failure; nil after a success
}
