package target

import (
	"context"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// handle takes one request from outside.
func (s *supervisor) handle(ops context.Context, r request) {
	if r.order != nil {
		r.order <- s.ordered(ops)
		return
	}
	switch r.step {
	case stepAcquired, stepSuspected:
		s.enqueue(r)
		s.take(ops, input{kind: r.step}, r.hold.waiter)
		if s.hurry != nil {
			s.hurry(driver.ErrDetach) // it was believed down: waking it is the better question
			s.hurried = true
		}
	case stepAbandoned:
		if !s.queue.has(r.hold) {
			return // it was answered in the meantime, and is its owner's again
		}
		s.queue.remove(r.hold)
		s.take(ops, input{kind: stepAbandoned}, because(""))
		s.tell(r.hold, context.Canceled)
	case stepDoubted:
		s.door.drop()
		s.take(ops, input{kind: stepDoubted}, because("a backend connection ended at once"))
	case stepChanged:
		s.changed = r.opts
		s.change()
	case stepRetired:
		s.retirers = append(s.retirers, r.done)
		s.take(ops, input{kind: stepRetired}, because(ErrEnding.Error()))
	}
}

// enqueue makes a caller wait. One that suspects has held the target until now: only
// this goroutine decides anything from the count, so nothing can happen in between.
func (s *supervisor) enqueue(r request) {
	s.queue.push(r.hold)
	if r.step == stepSuspected {
		s.door.drop()
	}
}

// refusal is what clients are told: the failure that the machine refused them for.
func (s *supervisor) refusal() error {
	if s.machine.retiring {
		return ErrEnding
	}
	return s.err
}

// admit lets everybody in who waits, in order of arrival. All are counted before the
// first is told: it may leave at once.
func (s *supervisor) admit() {
	s.door.admit(s.queue.len())
	now := s.grantNow()
	for h := s.queue.drain(); h != nil; {
		next := h.unlink()
		h.grant, h.held = now, true
		s.tell(h, nil)
		h = next
	}
}

// refuse sends everybody away who waits, in order of arrival.
func (s *supervisor) refuse(err error) {
	for h := s.queue.drain(); h != nil; {
		next := h.unlink()
		s.tell(h, err)
		h = next
	}
}

// unlink returns who waits behind h. After its answer h is its owner's.
func (h *Hold) unlink() *Hold {
	next := h.next
	h.prev, h.next = nil, nil
	return next
}

// tell answers one who waits. If that fails, nobody knows that the hold is there to be given back.
func (s *supervisor) tell(h *Hold, err error) {
	told := false
	defer func() {
		if !told {
			h.Release()
		}
	}()
	defer s.contain("an answer")
	if err != nil {
		h.closeConn()
	}
	h.waiter.Answered(h, err)
	told = true
}

// end leaves the target as it is: refuses who waits, lets go of the operation that
// runs, and writes down what is known.
func (s *supervisor) end() {
	s.timer.Stop()
	s.progress.Stop()
	s.detach(driver.ErrDetach)
	held := s.machine.held
	for _, r := range s.mail.close() {
		if r.order != nil {
			continue // that this has ended tells
		}
		switch r.step {
		case stepAcquired, stepSuspected:
			s.enqueue(r)
		case stepDoubted:
			s.door.drop()
		}
	}
	var used bool
	s.machine.held, used = s.door.shut()
	s.remember(opNone, used || held > 0) // the last to leave may not have been counted
	s.refuse(ErrEnding)
	if s.running != opNone {
		if res := <-s.results; res.conn != nil {
			_ = res.conn.Close()
		}
	}
	s.recorder.stop()
	s.wg.Wait()
}
