package target

import (
	"errors"
	"fmt"
	"time"
)

// A Rank is what somebody may cause who asks for a target. Whoever finds it ready is let in, of whatever rank.
type Rank uint8

// The ranks.
const (
	Ordinary   Rank = iota // wakes the target while its budget lasts
	Meek                   // never wakes it; waits for a start or a check that is under way
	Exempt                 // wakes it beyond the budget
	Commanding             // wakes it always: a person has said so
)

// ErrAsleep is why somebody is turned away who may not wake the target.
var ErrAsleep = errors.New("the target sleeps")

// A Budget bounds how often and for how long a target is awake. Its methods never wait, but for Save. They are called by one
// goroutine at a time, but Save by others.
type Budget interface {
	// Spent says why the target may not be started now, and until when; nil if it may.
	Spent(now time.Time) error
	Account
}

// An Account is told what is spent.
type Account interface {
	// Begun counts a start.
	Begun(now time.Time)
	// Awake says whether the target may run from now on.
	Awake(up bool, now time.Time)
	// Save writes to disk what has been counted.
	Save() error
}

// A bar keeps some from waking the target at the moment of one step.
type bar struct {
	loop   error // for all but those who command
	window error // likewise
	budget error // for those of no special rank
}

// stops says why somebody of that rank may not wake the target; nil if it may.
func (b bar) stops(h *Hold) error {
	switch {
	case h.Rank == Meek:
		if r, ok := h.waiter.(Reasoner); ok && r.Why() != nil {
			return fmt.Errorf("%w, and %w", ErrAsleep, r.Why())
		}
		return fmt.Errorf("%w, and this client may not wake it", ErrAsleep)
	case h.Rank != Commanding && b.loop != nil:
		return fmt.Errorf("%w, and %w", ErrAsleep, b.loop)
	case h.Rank != Commanding && b.window != nil:
		return fmt.Errorf("%w, and %w", ErrAsleep, b.window)
	case h.Rank == Ordinary && b.budget != nil:
		return fmt.Errorf("%w, and %w", ErrAsleep, b.budget)
	}
	return nil
}

// look asks what keeps those from waking the target who wait. Nobody is asked for a target that is awake.
func (s *supervisor) look() bar {
	var b bar
	if s.queue.len() == 0 {
		return b
	}
	b.loop = s.looping()
	if s.opts.NeverWake != nil {
		b.window = s.opts.NeverWake()
	}
	if s.opts.Budget != nil {
		b.budget = s.opts.Budget.Spent(time.Now())
	}
	return b
}

// unable counts who waits and may not wake the target.
func (s *supervisor) unable(b bar) int {
	n := 0
	for rank, waiting := range s.queue.ranks {
		if waiting > 0 && b.stops(&Hold{Rank: Rank(rank)}) != nil {
			n += waiting
		}
	}
	return n
}

// turnAway answers those who wait and may not wake the target, in order of arrival.
func (s *supervisor) turnAway(b bar) {
	for h := s.queue.first; h != nil; {
		next := h.next
		if err := b.stops(h); err != nil {
			s.queue.remove(h)
			s.tell(h, err)
		}
		h = next
	}
}

// waker is who has waited longest of those who may wake the target; nil: nobody.
func (s *supervisor) waker(b bar) *Hold {
	for h := s.queue.first; h != nil; h = h.next {
		if b.stops(h) == nil {
			return h
		}
	}
	return nil
}

// spend counts in the budget what a step has begun or ended.
func (s *supervisor) spend(out output, mayRun bool) {
	if s.opts.Budget == nil {
		return
	}
	if out.run == opStart && !out.resume {
		s.opts.Budget.Begun(time.Now())
	}
	if s.machine.mayRun != mayRun {
		s.opts.Budget.Awake(s.machine.mayRun, time.Now())
	}
}
