package target

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/state"
)

// resuming is a machineRoom whose driver knows what became of the action that a dead
// rouse began.
type resuming struct {
	*machineRoom
	past  driver.Outcome
	err   error
	since time.Time     // of the record
	left  time.Duration // how long that action still runs
	lit   bool          // it has switched the target on
}

func (r *resuming) Resume(ctx context.Context, op driver.Op) (driver.Outcome, error) {
	if r.busy.Add(1) != 1 {
		r.t.Error("asked beside an operation")
	}
	defer r.busy.Add(-1)
	if err := r.sleep(ctx, r.left); err != nil {
		return driver.Outcome{}, err
	}
	if r.lit {
		r.power(true)
	}
	if op.Epoch != 7 {
		r.t.Errorf("asked for epoch %d, want the one of the record", op.Epoch)
	}
	if !op.Since.Equal(r.since) {
		r.t.Errorf("asked for the run since %v, want since %v", op.Since, r.since)
	}
	return r.past, r.err
}

// takeUp opens a life over the record of a rouse that died in the seventh run of the
// target. The target does not answer yet.
func (m *machineRoom) takeUp(was state.Record, past driver.Outcome, change ...func(*resuming)) *stay {
	was.Target, was.MayRun, was.Epoch, was.Since = "web", true, 7, time.Now()
	m.record.Store(&was)
	r := &resuming{machineRoom: m, past: past, since: was.Since}
	for _, f := range change {
		f(r)
	}
	return m.open(func(o *Options) { o.Driver = r })
}

// lit says that the action has switched the target on.
func lit(r *resuming) { r.lit = true }

var beingStarted, beingStopped = state.Record{Starting: true}, state.Record{Stopping: true}

func TestStartOfADeadRouseIsWaitedForAndNotBegunAgain(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.takeUp(beingStarted, driver.Outcome{Action: "start", Address: "10.0.0.9"}, lit, func(r *resuming) { r.left = 20 * time.Second })
		defer s.close()
		s.expect(Starting, 0, 0)
		h := s.acquire()
		if h.Address() != "10.0.0.9:80" || h.Epoch() != 7 {
			t.Errorf("served at %s in epoch %d, want the address that the dead rouse's hook left, in its epoch", h.Address(), h.Epoch())
		}
		s.expect(Ready, 0, 0)
		if r := m.record.Load(); r.Starting {
			time.Sleep(2 * lazyWrite)
			if r = m.record.Load(); r.Starting || r.Address != "10.0.0.9:80" {
				t.Errorf("the record says %+v, want it started, at the address", r)
			}
		}
		h.Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 0, 1)
	})
}

func TestStartOfADeadRouseThatFailedIsUndone(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.takeUp(beingStarted, driver.Outcome{Action: "start", Err: errBroken})
		defer s.close()
		time.Sleep(5500 * time.Millisecond) // the stop action takes 5 s, the backoff more than 1 s
		s.expect(Failed, 0, 1)
		h := s.acquire()
		s.expect(Ready, 1, 1)
		h.Release()
	})
}

func TestStartThatLeftNoTraceIsBegunOnlyForAClient(t *testing.T) {
	for name, past := range map[string]driver.Outcome{
		"no trace":  {},
		"a stop":    {Action: "stop"},
		"try again": {Action: "start", Err: fmt.Errorf("no room: %w", driver.ErrTemporary)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *machineRoom) {
				s := m.takeUp(beingStarted, past)
				defer s.close()
				s.expect(Unknown, 0, 0) // silent, and nobody can tell: it may run
				h := s.acquire()
				if h.Epoch() != 8 {
					t.Errorf("epoch %d, want a new one", h.Epoch())
				}
				s.expect(Ready, 1, 0)
				h.Release()
			})
		})
	}
}

func TestStartOfADeadRouseThatNobodyCanTellOfIsUndone(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.takeUp(beingStarted, driver.Outcome{}, func(r *resuming) { r.err = errBroken })
		defer s.close()
		synctest.Wait()
		if st := s.Status(); st.State != Stopping || !errors.Is(st.Err, errBroken) {
			t.Errorf("%v after %v, want it stopped for what could not be told", st.State, st.Err)
		}
		time.Sleep(time.Minute)
		s.expect(Stopped, 0, 1)
	})
}

func TestStopOfADeadRouseIsVerifiedAndNotBegunAgain(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.takeUp(beingStopped, driver.Outcome{Action: "stop"}, func(r *resuming) { r.left = 20 * time.Second })
		defer s.close()
		s.expect(Stopping, 0, 0)
		time.Sleep(21 * time.Second)
		s.expect(Stopped, 0, 0)
	})
}

func TestStopOfADeadRouseIsBegunAgainUnlessItSucceeded(t *testing.T) {
	for name, past := range map[string]driver.Outcome{
		"no trace":  {},
		"a start":   {Action: "start"},
		"it failed": {Action: "stop", Err: errBroken},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, m *machineRoom) {
				s := m.takeUp(beingStopped, past)
				defer s.close()
				time.Sleep(10 * time.Second)
				s.expect(Stopped, 0, 1)
			})
		})
	}
}

// lingering is a driver whose stop action outlives its time, as one that is being killed does, and then still stops the
// target.
type lingering struct {
	*machineRoom
	until time.Time
	asked int
}

func (l *lingering) Stop(ctx context.Context, op driver.Op) error {
	defer l.enter("stop", op)()
	l.stops.Add(1)
	l.until = time.Now().Add(10 * time.Second)
	time.AfterFunc(9*time.Second, func() { l.power(false) })
	<-ctx.Done()
	return context.Cause(ctx)
}

func (l *lingering) Resume(ctx context.Context, _ driver.Op) (driver.Outcome, error) {
	if l.asked++; l.asked == 1 {
		return driver.Outcome{}, errBroken // the system does not say, for a moment
	}
	return driver.Outcome{Action: "stop"}, l.sleep(ctx, time.Until(l.until))
}

// TestClientIsNotLetInWhileAStopActionMayStillAct: its time is over, and the target answers.
func TestClientIsNotLetInWhileAStopActionMayStillAct(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Driver, o.StopTimeout = &lingering{machineRoom: m}, 6*time.Second })
		defer s.close()
		s.acquire().Release()
		time.Sleep(30*time.Minute + 2*time.Second)
		s.expect(Stopping, 1, 1)
		h := s.acquire() // the action ends after 10 s, and has taken the target down by then
		s.expect(Ready, 2, 1)
		if !m.answers() {
			t.Error("let in although the stop action was still to come to its end")
		}
		h.Release()
	})
}

// A stop hook that says it is done proves nothing while somebody answers.
func TestStopOfADeadRouseIsNotBelieved(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.upAt.Store(1)
		s := m.takeUp(beingStopped, driver.Outcome{Action: "stop"}, lit)
		defer s.close()
		time.Sleep(20 * time.Minute)
		s.expect(Stopped, 0, 1)
	})
}

// A record is what a crash leaves: the start is in it before its action begins, and the end of it before the stop's.
func TestRecordSaysWhatIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		go func() { s.acquire().Release() }()
		time.Sleep(10 * time.Second)
		if r := m.record.Load(); !r.MayRun || !r.Starting || r.Stopping {
			t.Errorf("while it starts the record says %+v", r)
		}
		time.Sleep(30*time.Minute + 32*time.Second) // it is up after 40 s, and its stop takes 5 s
		s.expect(Stopping, 1, 1)
		if r := m.record.Load(); !r.MayRun || r.Starting || !r.Stopping {
			t.Errorf("while it is stopped the record says %+v", r)
		}
	})
}
