// Package doctor rehearses one target before anybody depends on it: it is started, started again, connected to, stopped and
// stopped again, and each time it is verified what has come of that. Before each step it says what it is about to do. Whatever
// happens, the target is stopped in the end, and if that cannot be verified it says so.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/probe"
)

// A Prober asks the target, and connects to it.
type Prober interface {
	// Wait asks until the target at address is ready or ctx ends.
	Wait(ctx context.Context, address string) (net.Conn, error)
	// Once asks once, within a bound of its own.
	Once(ctx context.Context, address string) (net.Conn, error)
	// Dial connects as for a client.
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// A Subject is the target. All fields are needed, but for those that say otherwise.
type Subject struct {
	Name    string
	Address string // HOST:PORT, or unix:PATH
	Driver  driver.Driver
	Prober  Prober
	Words   Words

	StartTimeout, StopTimeout time.Duration

	Epoch       uint64                  // of this rehearsal
	Record      func(mayRun bool) error // writes down whether the target may run, for the next rouse; nil: nobody does
	EvenIfUp    bool                    // a target that is up already is stopped, too
	ClientFirst bool                    // a gate or a route waits for what the client says first
}

// Words are what the steps are called, for people.
type Words struct {
	Start, Stop string // what is run
	Status      string // likewise; empty: nothing says whether the target runs
	Probe       string // how it is asked
}

// A Report is what was found.
type Report struct {
	Ready, Down time.Duration // from the beginning of a start and a stop; 0: it was not seen
	Failed      []string
	Warned      []string
	MayRun      bool // it was started, and it is not verified that it is down
}

// Well says whether the target does what rouse needs.
func (r *Report) Well() bool { return len(r.Failed) == 0 && !r.MayRun }

// errUp is why a target is not rehearsed that somebody may be using.
var errUp = errors.New("it is up already, and a rehearsal would stop it under whoever uses it; stop it first, or allow that with --even-if-up")

// Rehearse does it all. When ctx ends, what is under way ends, and the target is stopped.
func (s Subject) Rehearse(ctx context.Context, out io.Writer) *Report {
	v := newVisit(s, out)
	v.sayf("Rehearsing target %q at %s", s.Name, s.Address)
	if !v.prepare(ctx) {
		return v.report
	}
	if v.rise(ctx) {
		v.startAgain(ctx)
		v.connect(ctx)
	}
	over := context.WithoutCancel(ctx)
	if ctx.Err() != nil {
		v.failed(fmt.Errorf("the rehearsal was ended: %w", context.Cause(ctx)))
	}
	if v.fall(over) && ctx.Err() == nil {
		v.stopAgain(ctx)
	}
	v.conclude()
	return v.report
}

// prepare sees to it that the target is down.
func (v *visit) prepare(ctx context.Context) bool {
	v.step("Is it up? %s", v.howToAsk())
	is, err := v.look(ctx)
	switch {
	case err != nil:
		v.failed(err)
		return false
	case !is.up():
		v.fine("it is down")
		return true
	case !v.EvenIfUp:
		v.failed(errUp)
		return false
	}
	v.warned("it was up already; it is stopped first")
	v.report.MayRun = true
	return v.fall(ctx)
}

// Wake starts a target that another one needs, unless it is up. It says whether it did.
func (s Subject) Wake(ctx context.Context, out io.Writer) (woken bool, report *Report) {
	v := newVisit(s, out)
	v.sayf("Target %q at %s is needed, and is to be up", s.Name, s.Address)
	v.step("Is it up? %s", v.howToAsk())
	is, err := v.look(ctx)
	switch {
	case err != nil:
		v.failed(err)
		return false, v.report
	case is.up():
		v.fine("it is up, and is left so")
		return false, v.report
	}
	v.rise(ctx)
	return true, v.report
}

// Sleep stops a target that was woken.
func (s Subject) Sleep(ctx context.Context, out io.Writer) *Report {
	v := newVisit(s, out)
	v.sayf("Target %q is needed no more", s.Name)
	v.report.MayRun = true
	v.fall(context.WithoutCancel(ctx))
	v.alarm()
	return v.report
}

// seen is what is known of a target at one moment.
type seen struct {
	reported bool // its driver has said
	runs     bool // that it runs
	answers  bool // somebody answers at its address
	ready    bool // and is ready
}

func (s seen) up() bool { return s.runs || s.answers }

// look asks the driver, and at the address. The error says that nobody could ask.
func (v *visit) look(ctx context.Context) (is seen, err error) {
	if r, ok := v.Driver.(driver.Reporter); ok {
		began := time.Now()
		bounded, cancel := context.WithTimeout(ctx, min(reportTimeout, v.StopTimeout))
		is.runs, err = r.Report(bounded, v.op("asking"))
		cancel()
		switch {
		case err != nil:
			v.warned("nobody can tell whether it runs: %v", err)
		case is.runs:
			v.note("the status hook says that it runs%s", took(began))
		default:
			v.note("the status hook says that it does not run%s", took(began))
		}
		is.reported = err == nil
	}
	began := time.Now()
	conn, err := v.Prober.Once(ctx, v.address)
	if conn != nil {
		_ = conn.Close()
	}
	switch {
	case err == nil:
		is.answers, is.ready = true, true
		v.note("it answers at %s%s", v.address, took(began))
	case errors.Is(err, probe.ErrAnswers):
		is.answers = true
		v.note("somebody answers at %s, and is not ready: %v", v.address, err)
	case errors.Is(err, probe.ErrCannotAsk):
		return is, fmt.Errorf("the target cannot be asked at %s: %w", v.address, err)
	default:
		v.note("nobody answers at %s: %v", v.address, err)
	}
	return is, nil
}
