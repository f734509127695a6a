package target

import (
	"context"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// handle takes one request from outside.
func (s *supervisor) handle(ops context.Context, r request) {
	switch r.step {
	case stepAcquired, stepSuspected:
		r.hold.place = s.queue.PushBack(r.hold)
		s.take(ops, input{kind: r.step}, r.hold.cause)
		if s.hurry != nil {
			s.hurry(driver.ErrDetach) // it was believed down: waking it is the better question
			s.hurried = true
		}
	case stepAbandoned:
		if r.hold.place == nil {
			return // it was answered in the meantime
		}
		s.queue.Remove(r.hold.place)
		r.hold.place = nil
		r.hold.answer <- context.Canceled
		s.take(ops, input{kind: stepAbandoned}, "")
	case stepReleased:
		s.take(ops, input{kind: r.step}, "the last client left after a failed start")
	case stepDoubted:
		s.take(ops, input{kind: r.step}, "a backend connection ended at once")
	case stepRetired:
		s.retirers = append(s.retirers, r.done)
		s.take(ops, input{kind: stepRetired}, ErrEnding.Error())
	}
}

// refusal is what clients are told: the failure that the machine refused them for.
func (s *supervisor) refusal() error {
	if s.machine.retiring {
		return ErrEnding
	}
	return s.err
}

// answer lets everybody in who waits, in order of arrival, or refuses them.
func (s *supervisor) answer(err error) {
	for e := s.queue.Front(); e != nil; e = s.queue.Front() {
		h := s.queue.Remove(e).(*Hold)
		h.place = nil
		if err == nil {
			h.grant.address, h.grant.epoch = s.address(), s.machine.epoch
		} else {
			h.closeConn()
		}
		h.answer <- err
	}
}

// end leaves the target as it is: refuses who waits, lets go of the operation that
// runs, and writes down what is known.
func (s *supervisor) end() error {
	s.timer.Stop()
	s.progress.Stop()
	s.detach(driver.ErrDetach)
	s.answer(ErrEnding)
	if s.machine.op != opNone {
		if res := <-s.results; res.conn != nil {
			_ = res.conn.Close()
		}
	}
	s.recorder.stop()
	s.wg.Wait()
	return nil
}
