package target

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

const (
	longestRest  = time.Minute // that the timer is set for: only then is it known whether the machine was suspended
	leastSuspend = time.Second // what is less may be the time between two looks at clocks
	maxDoublings = 7           // of the backoff, if nothing else is said: 1s grows to 128s
	lateTimer    = time.Second // a timer later than this hints at a paused process
)

// expire passes the timer's question on. When the process was paused, clients may sit in the
// accept queue that nobody has seen yet, so a late timer is put off once for
// a moment in which they are counted.
func (s *supervisor) expire(ops context.Context) {
	overdue := time.Since(s.deadline)
	if missed := s.opts.Suspended() - s.suspended; missed >= leastSuspend {
		overdue += missed
	}
	if overdue < 0 {
		s.timer.Reset(min(-overdue, longestRest))
		return
	}
	if !s.late && overdue > lateTimer {
		s.late = true
		s.timer.Reset(lateTimer)
		return
	}
	if s.veto(ops) {
		return
	}
	cause := "backoff is over"
	switch s.machine.armed {
	case alarmIdle:
		cause = s.idleFor()
	case alarmLook:
		cause = "looking whether somebody started it"
	}
	s.take(ops, input{kind: stepExpired}, because(cause))
}

// idleFor says for how long nobody has used the target.
func (s *supervisor) idleFor() string {
	if idle := time.Since(s.unused); idle > s.opts.Cooldown+2*lateTimer {
		return fmt.Sprintf("idle for %v", idle.Round(time.Second)) // rouse was not there when it was over, or it was busy
	}
	return fmt.Sprintf("idle for %v", s.opts.Cooldown)
}

// arm sets the one timer for what the machine wants it.
func (s *supervisor) arm(a alarm) {
	s.timer.Stop()
	s.setting++
	s.late, s.putOff = false, time.Time{}
	var d time.Duration
	switch a {
	case alarmOff:
		s.deadline = time.Time{}
		return
	case alarmIdle:
		d = min(max(time.Until(s.unused.Add(s.opts.Cooldown)), 0), s.opts.Cooldown)
		if up := time.Until(s.record.Since.Add(s.opts.MinUptime)); s.opts.MinUptime > 0 {
			d = max(d, min(up, s.opts.MinUptime)) // a clock that jumps prolongs it once
		}
		s.emit(event.Event{Kind: event.IdleArmed, Delay: d})
	case alarmBackoff:
		d = s.backoff()
		s.emit(event.Event{Kind: event.BackoffArmed, Delay: d})
	case alarmLook:
		if d = s.opts.Look; d < 0 {
			return
		}
	}
	s.setTimer(d)
}

// setTimer has the timer's question asked in d.
func (s *supervisor) setTimer(d time.Duration) {
	s.setting++
	s.late = false
	s.deadline, s.suspended = time.Now().Add(d), s.opts.Suspended()
	s.timer.Reset(min(d, longestRest))
}

// backoff doubles with each failure in a row of what is tried again: a stop must not wait for
// long because starts have failed. A tenth of jitter keeps many targets that failed together
// from trying together.
func (s *supervisor) backoff() time.Duration {
	failures := s.machine.asked
	switch {
	case s.machine.state == Failed:
		failures = s.machine.starts
	case s.machine.mayRun && s.machine.stops > 0:
		failures = s.machine.stops
	}
	failures = max(failures, 1)
	d := s.opts.Backoff
	for ; failures > 1 && d < s.opts.LongestPause; failures-- {
		d *= 2
	}
	d = min(d, s.opts.LongestPause)
	return d + rand.N(d/10+1)
}
