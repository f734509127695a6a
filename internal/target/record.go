package target

import (
	"errors"
	"time"

	"github.com/rouse-proxy/rouse/internal/state"
)

// load recalls what the last run of rouse knew. Damage is reported and never a
// reason not to start: the record is then pessimistic.
func (s *supervisor) load() {
	record, err := s.opts.Store.Load(s.opts.Name)
	if err != nil {
		s.opts.Logger.Error("state lost, assuming that the target may run", "target", s.opts.Name, "err", err)
	}
	record.Target = s.opts.Name
	s.record = record
	s.machine.mayRun, s.machine.epoch = record.MayRun, record.Epoch
	s.machine.starting, s.machine.undoing = record.Starting, record.Stopping
	if damaged, ok := errors.AsType[*state.DamagedError](err); ok && damaged.Aside != "" {
		s.recorder.put(record, true) // the file is gone: the next run must not take this for a target that is new
	}
	if s.opts.Budget != nil {
		s.opts.Budget.Awake(record.MayRun, time.Now())
	}
	if record.MayRun && !record.InUse && err == nil {
		s.unused = latest(record.LastUsed, record.Since) // a crash does not lengthen a cooldown
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// remember keeps the record true: what a crash may cost is decided here. The
// channel, not nil before a start or a stop, closes when the record says so on disk.
// used says that somebody held the target since the last call, if only for a moment.
func (s *supervisor) remember(op operation, used bool) <-chan struct{} {
	was := s.record
	s.record.MayRun, s.record.Starting, s.record.Stopping = s.machine.mayRun, s.machine.starting, s.machine.undoing
	s.record.InUse = s.machine.held > 0
	if was.InUse != s.record.InUse || used && !s.record.InUse {
		s.record.LastUsed = time.Now()
	}
	if op == opStart && s.record.Epoch != s.machine.epoch { // not one that is taken up
		s.record.Epoch, s.record.Since, s.record.Address = s.machine.epoch, time.Now(), ""
	}
	if !s.record.MayRun {
		s.record.Address = ""
	} else if !was.MayRun && op != opStart {
		s.record.Since = time.Now() // found running: somebody else started it
	}
	if s.record == was {
		return nil
	}
	return s.recorder.put(s.record, op == opStart || was.MayRun != s.record.MayRun || was.Stopping != s.record.Stopping)
}
