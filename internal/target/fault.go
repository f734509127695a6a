package target

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/event"
)

// ErrFault is what clients are told who wait for a target when a fault of rouse itself strikes it.
var ErrFault = errors.New("a fault of rouse itself")

// faultPause keeps a fault that comes back at once from doing so in a spin.
const faultPause = time.Second

// live runs the supervisor until ctx ends, and returns nil, or until a fault, which it returns.
func (s *supervisor) live(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", ErrFault, p, debug.Stack())
		}
	}()
	s.run(ctx)
	return nil
}

// successor takes over after a fault, as a new rouse would after a crash: from the record, and with a question to the
// target. But those who hold the target are still counted, and still served. Those who wait are sent away: whatever was
// to be done for them may have been lost.
func (s *supervisor) successor() *supervisor {
	s.timer.Stop()
	s.progress.Stop()
	s.detach(driver.ErrDetach) // an action that is under way goes on, and the next one waits for it
	if s.running != opNone {
		if res := <-s.results; res.conn != nil {
			_ = res.conn.Close()
		}
		s.emit(event.Event{Kind: event.OperationEnded, Operation: s.running.String(), Elapsed: time.Since(s.opBegan), Err: ErrFault})
	}
	if s.told != Starting { // a start that was decided, if there is one, was neither told nor begun
		s.machine.epoch, s.machine.starting = s.record.Epoch, false
	}
	if s.told != Unknown {
		s.emit(event.Event{Kind: event.StateChanged, From: s.told.String(), To: Unknown.String(), Cause: ErrFault.Error(),
			Held: s.door.held(), Elapsed: time.Since(s.entered)})
	}
	s.refuse(ErrFault)
	n := newSupervisor(s.Target)
	n.again, n.record, n.recorder, n.unused, n.err = true, s.record, s.recorder, s.unused, ErrFault
	n.inbox, n.retirers, n.deaths = s.inbox, s.retirers, s.deaths
	s.machine.mayRun = s.machine.mayRun || s.record.MayRun
	s.machine.starting, s.machine.undoing = s.machine.starting || s.record.Starting, s.machine.undoing || s.record.Stopping
	n.machine = s.machine.successor(s.door.held())
	return n
}

// successor is the machine that takes over from one of which only this is believed. Whatever was under way while somebody
// holds the target was taken back: neither a start nor a stop begins then.
func (m *machine) successor(held int) machine {
	return machine{
		epoch: m.epoch, starts: m.starts, stops: m.stops, mayRun: m.mayRun, retiring: m.retiring, patience: m.patience,
		starting: m.starting && held == 0, undoing: m.undoing && held == 0,
	}
}

// abandon is the end of a supervisor that cannot even end: who has asked is answered, and the record is written.
func (s *supervisor) abandon() {
	defer s.contain("the end of a target")
	for _, r := range append(s.inbox, s.mail.close()...) {
		switch {
		case r.hold == nil || r.step == stepAbandoned:
		case r.step == stepSuspected:
			s.door.drop()
			fallthrough
		default:
			s.tell(r.hold, ErrEnding)
		}
	}
	s.recorder.stop()
}

// contain keeps a fault in what the supervisor calls from being its own. It must be deferred.
func (s *supervisor) contain(what string) {
	if p := recover(); p != nil {
		s.opts.Logger.Error("a fault of rouse itself has lost "+what+"; please report it",
			"target", s.opts.Name, "panic", fmt.Sprintf("%v\n%s", p, debug.Stack()))
	}
}

// contain makes a fault in an operation its failure, of which nothing is believed but the worst.
func (j *job) contain(res *result) {
	if p := recover(); p != nil {
		j.Logger.Error("a fault of rouse itself has ended an operation; please report it",
			"target", j.Name, "operation", j.op.String(), "panic", fmt.Sprintf("%v\n%s", p, debug.Stack()))
		*res = result{op: j.op, found: foundUnclear, err: fmt.Errorf("%w: %v", ErrFault, p)}
	}
}
