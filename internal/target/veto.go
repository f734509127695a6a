package target

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/event"
)

// A Veto is a question that is asked when the cooldown is over, before the target is stopped: whether it is busy although nobody
// holds it.
type Veto struct {
	Ask    func(ctx context.Context, op driver.Op) (busy bool, err error) // nil: nobody is asked; an error says nothing, and counts as busy
	Every  time.Duration                                                  // until it is asked again
	AtMost time.Duration                                                  // for which a stop is put off, all in all
}

// verdict is the answer to one question.
type verdict struct {
	setting uint64 // of the timer that has led to the question
	busy    bool
	err     error
}

// veto says whether the stop, which is due, has to wait for an answer. Clients come and go meanwhile; an answer that finds the
// timer set anew is too old.
func (s *supervisor) veto(ops context.Context) bool {
	v := s.opts.Veto
	switch {
	case v.Ask == nil || s.machine.armed != alarmIdle || s.machine.retiring:
		return false
	case !s.putOff.IsZero() && time.Since(s.putOff) >= v.AtMost:
		s.opts.Logger.Warn("the target is stopped although it may be busy: the stop was put off for long enough", "target", s.opts.Name, "for", v.AtMost)
		return false
	case s.asking: // for the timer before; the answer is on its way
		s.setTimer(leastSuspend)
		return true
	}
	s.asking = true
	setting := s.setting
	op := driver.Op{Epoch: s.machine.epoch, Since: s.record.Since, Reason: "is it busy?", Address: s.address()}
	s.wg.Go(func() { s.verdicts <- v.ask(ops, op, setting) })
	return true
}

func (v Veto) ask(ctx context.Context, op driver.Op, setting uint64) (answer verdict) {
	defer func() {
		if p := recover(); p != nil {
			answer = verdict{setting: setting, err: fmt.Errorf("%w: %v\n%s", ErrFault, p, debug.Stack())}
		}
	}()
	busy, err := v.Ask(ctx, op)
	return verdict{setting, busy, err}
}

// heed does what the answer says.
func (s *supervisor) heed(ops context.Context, v verdict) {
	s.asking = false
	if v.setting != s.setting || s.machine.armed != alarmIdle || s.machine.retiring {
		return
	}
	cause := "it says that it is busy"
	switch {
	case v.err != nil:
		cause = "nobody can tell whether it is busy"
		s.opts.Logger.Warn("the stop is put off: nobody can tell whether the target is busy", "target", s.opts.Name, "err", v.err)
	case !v.busy:
		s.emit(event.Event{Kind: event.IdleArmed, Cause: "it is not busy"}) // it was due before, and had to wait for the answer
		s.take(ops, input{kind: stepExpired}, because(s.idleFor()+", and it is not busy"))
		return
	}
	if s.putOff.IsZero() {
		s.putOff = time.Now()
	}
	d := max(min(s.opts.Veto.Every, time.Until(s.putOff.Add(s.opts.Veto.AtMost))), 0)
	s.setTimer(d)
	s.emit(event.Event{Kind: event.IdleArmed, Delay: d, Cause: cause})
}
