package target

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// TestFastClientAgainstTheCooldown: both orders, a moment apart.
func TestFastClientAgainstTheCooldown(t *testing.T) {
	for _, early := range []bool{true, false} {
		bubble(t, func(t *testing.T, m *machineRoom) {
			s := m.open()
			defer s.close()
			s.acquire().Release()
			var h Hold
			if !early {
				time.Sleep(30*time.Minute + 1)
				s.expect(Stopping, 1, 1)
				if s.TryHold(&h) {
					t.Error("let in while it is being stopped")
				}
				return
			}
			time.Sleep(30*time.Minute - 1)
			s.enter(&h)
			time.Sleep(time.Hour)
			s.expect(Ready, 1, 0)
			h.Release()
			time.Sleep(30*time.Minute - 1)
			s.expect(Ready, 1, 0)
			time.Sleep(1 + 5*time.Second)
			s.expect(Stopped, 1, 1)
		})
	}
}

// enter takes a fast hold once everything has settled: the door of a ready target may
// be shut for a moment.
func (s *stay) enter(h *Hold) {
	s.t.Helper()
	if synctest.Wait(); !s.TryHold(h) {
		s.t.Fatalf("the door is shut: %+v", s.Status())
	}
}

// byHand is a supervisor at a ready target whose steps the test takes itself, so that
// it can put a client between any two. Its cooldown is over.
func byHand(t *testing.T, m *machineRoom) *supervisor {
	t.Helper()
	tg := m.open()
	tg.close()
	s := newSupervisor(tg.Target)
	s.machine = machine{state: Ready, mayRun: true, armed: alarmIdle, epoch: 1}
	m.rigged = true
	s.wg.Go(s.recorder.run)
	s.deadline = time.Now()
	s.settle()
	t.Cleanup(func() {
		if s.machine.op != opNone {
			<-s.results
		}
		s.recorder.stop()
		s.timer.Stop()
		s.progress.Stop()
	})
	return s
}

// TestFastClientInTheMomentOfTheQuestion puts it before, around and behind the timer's
// question, each time before the supervisor has been nudged.
func TestFastClientInTheMomentOfTheQuestion(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := byHand(t, m)
		var h Hold
		if !s.TryHold(&h) {
			t.Fatal("the door of a ready target is shut")
		}
		s.expire(t.Context())
		if s.settle(); s.machine.state != Ready || s.machine.armed != alarmOff {
			t.Fatalf("with a client inside: %+v", s.machine)
		}
		h.Release()
		<-s.door.nudge
		s.take(t.Context(), input{kind: stepCounted}, because(""))
		if s.TryHold(&h) {
			h.Release()
		}
		s.deadline = time.Now()
		s.expire(t.Context()) // it has come and gone, and nobody has been told
		if s.machine.state != Ready || s.machine.armed != alarmIdle || time.Until(s.deadline) != s.opts.Cooldown {
			t.Fatalf("a moment after a client: %+v, cooldown for %v", s.machine, time.Until(s.deadline))
		}
		s.settle()
		s.deadline = time.Now()
		s.expire(t.Context())
		if s.machine.state != Stopping || s.TryHold(&h) {
			t.Fatalf("with nobody there: %+v", s.machine)
		}
	})
}

// TestFastClientLeavesDuringAStopDecision: the decision counts it, and the nudge makes
// up for that.
func TestFastClientLeavesDuringAStopDecision(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := byHand(t, m)
		var h Hold
		s.TryHold(&h)
		in := s.count(input{kind: stepRetired})
		h.Release()
		if out := s.machine.step(in); out.run != opNone {
			t.Fatalf("decided on a count that it had not read: %+v", out)
		}
		<-s.door.nudge
		s.take(t.Context(), input{kind: stepCounted}, because(""))
		if s.machine.state != Stopping {
			t.Fatalf("the last one's end was missed: %+v", s.machine)
		}
	})
}

func TestSuspectOfAFastHold(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		var stays, dials, late Hold
		s.enter(&stays)
		s.enter(&dials)
		if stays.Epoch() != 1 || stays.Address() != "vm:80" {
			t.Fatalf("fast holds: %+v, %+v", stays, dials)
		}
		m.power(false)
		time.AfterFunc(20*time.Second, func() {
			if st := s.Status(); st.State != Starting || st.Held != 1 || st.Waiting != 1 || s.TryHold(&late) {
				t.Errorf("while it starts: %+v", st)
			}
			stays.Release()
		})
		if err := dials.Suspect(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expect(Ready, 2, 0)
		if st := s.Status(); dials.Epoch() != 2 || st.Held != 1 || !st.StopAt.IsZero() {
			t.Errorf("hold of epoch %d, %+v", dials.Epoch(), st)
		}
		if !s.TryHold(&late) || late.Epoch() != 2 {
			t.Errorf("a fast hold of the new run: %+v", late)
		}
		late.Doubt()
		late.Release()
		dials.Release()
		if st := s.settled(); st.Held != 0 || st.StopAt.IsZero() {
			t.Errorf("after all have left: %+v", st)
		}
	})
}

func TestRetireWaitsForFastHolds(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		var h, late Hold
		s.enter(&h)
		time.AfterFunc(time.Minute, func() {
			if s.TryHold(&late) {
				t.Error("let in while rouse ends")
			}
			h.Release()
		})
		began := time.Now()
		if err := s.Retire(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 65*time.Second {
			t.Errorf("stopped after %v, want the client's end and the stop", took)
		}
		s.expect(Stopped, 1, 1)
	})
}

func TestCrashWithFastHoldsOnlyGivesAFullCooldown(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		first := m.open()
		first.acquire().Release()
		var h Hold
		first.enter(&h)
		time.Sleep(2 * lazyWrite)
		if r := m.record.Load(); !r.InUse {
			t.Errorf("the record does not know of it: %+v", r)
		}
		time.Sleep(10 * time.Hour)
		first.close() // with the client
		s := m.open()
		defer s.close()
		time.Sleep(29 * time.Minute)
		s.expect(Ready, 1, 0)
		time.Sleep(time.Minute + 5*time.Second)
		s.expect(Stopped, 1, 1)
	})
}

// TestRecordKnowsOfAHoldGivenBackInTheLastMoment: the supervisor finds the nudge and its
// own end at once and takes either, so it is asked often.
func TestRecordKnowsOfAHoldGivenBackInTheLastMoment(t *testing.T) {
	for range 20 {
		bubble(t, func(t *testing.T, m *machineRoom) {
			s := m.open()
			g := &guest{name: "client"}
			g.then = func(error) { g.Release(); s.end() }
			s.Ask(&g.Hold, g)
			time.Sleep(time.Minute)
			s.close()
			if r := m.record.Load(); r.InUse || !r.LastUsed.Equal(r.Since.Add(40*time.Second)) {
				t.Errorf("the record says %+v, it was used for a moment after 40s", r)
			}
		})
	}
}

// TestCooldownRunsFromTheLastFastRelease, even if it was too short to be counted.
func TestCooldownRunsFromTheLastFastRelease(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		var h Hold
		for range 5 {
			time.Sleep(20 * time.Minute)
			s.enter(&h)
			h.Release()
			if st := s.settled(); st.Held != 0 || time.Until(st.StopAt) != 30*time.Minute {
				t.Errorf("after a fast client: %+v", st)
			}
		}
		time.Sleep(2 * time.Second)
		if r := m.record.Load(); r.InUse || time.Since(r.LastUsed) != 2*time.Second {
			t.Errorf("the record says %+v, it was used until %v", r, time.Now().Add(-2*time.Second))
		}
		time.Sleep(30*time.Minute + 5*time.Second)
		s.expect(Stopped, 1, 1)
	})
}

func TestFastHoldIsSmallAndAllocatesNothing(t *testing.T) {
	if size := unsafe.Sizeof(Hold{}); size > 80 {
		t.Errorf("a hold has %d bytes", size)
	}
	m := &machineRoom{t: t}
	s := m.open()
	defer s.close()
	defer s.acquire().Release() // no edges: the supervisor sleeps
	var h Hold
	allocs := testing.AllocsPerRun(1000, func() {
		if !s.TryHold(&h) {
			h.Release()
			return
		}
		h.Release()
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a fast hold", allocs)
	}
}

func TestAcquireBeforeTheTargetLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &machineRoom{t: t}
		tg, err := New(Options{Name: "web", Address: "vm:80", Driver: m, Prober: m, Store: m})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := tg.Acquire(ctx, "early"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("told %v", err)
		}
	})
}
