package target

import (
	"fmt"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// A CrashLoop says when a target dies too often to be woken. A death is that it was ready, and is found not to be, without a stop
// of rouse's.
type CrashLoop struct {
	Deaths int           // that are too many; 0: none are
	Within time.Duration // in which they count
	Pause  time.Duration // after the last of them, for which only who commands wakes it
}

// died notes that the target, which was ready, is so no more.
func (s *supervisor) died() {
	if !s.alive || s.opts.CrashLoop.Deaths == 0 {
		return
	}
	s.alive = false
	now := time.Now()
	kept := s.deaths[:0]
	for _, at := range s.deaths {
		if now.Sub(at) < s.opts.CrashLoop.Within {
			kept = append(kept, at)
		}
	}
	s.deaths = append(kept, now)
	if err := s.looping(); err != nil {
		s.emit(event.Event{Kind: event.CrashLooping, Delay: s.opts.CrashLoop.Pause, Err: err})
	}
}

// looping says why the target dies too often to be woken now; nil if it does not.
func (s *supervisor) looping() error {
	loop := s.opts.CrashLoop
	if loop.Deaths == 0 || len(s.deaths) < loop.Deaths {
		return nil
	}
	last := s.deaths[len(s.deaths)-1]
	until := last.Add(loop.Pause)
	if !time.Now().Before(until) {
		return nil
	}
	return fmt.Errorf("it has died %d times within %v: nobody wakes it before %s", len(s.deaths), loop.Within, until.Format("15:04:05"))
}

// outlive follows what a step means for the life of the target.
func (s *supervisor) outlive(out output) {
	switch {
	case s.machine.state == Ready:
		s.alive = true
	case out.run == opStart || out.run == opStop:
		s.alive = false // what comes of it is no death
	}
}
