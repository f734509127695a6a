package target

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/state"
)

// strike makes the supervisor panic at once: there is no such request.
func (s *stay) strike() { s.mail.put(request{step: stepAcquired}) }

// TestFaultInEveryPhase strikes at every half second of a life. Whoever waits is told at once, the next client is served, no
// two operations overlap (the room checks that), and the target is stopped in the end.
func TestFaultInEveryPhase(t *testing.T) {
	for at := 500 * time.Millisecond; at < 55*time.Second; at += 500 * time.Millisecond {
		bubble(t, func(t *testing.T, m *machineRoom) {
			s := m.open(func(o *Options) { o.Cooldown = 5 * time.Second })
			defer s.close()
			told := make(chan error, 1)
			go func() {
				h, err := s.Acquire(t.Context(), "client")
				if err == nil {
					h.Release()
				}
				told <- err
			}()
			time.Sleep(at)
			s.strike()
			synctest.Wait()
			select {
			case err := <-told:
				if err != nil && !errors.Is(err, ErrFault) {
					t.Errorf("at %v: the client was told %v", at, err)
				}
			default:
				t.Errorf("at %v: the client still waits", at)
			}
			s.acquire().Release()
			time.Sleep(20 * time.Second)
			if st := s.settled(); st.State != Stopped || st.Held+st.Waiting != 0 || m.upAt.Load() != 0 {
				t.Errorf("at %v: in the end %+v", at, st)
			}
		})
	}
}

// TestFaultUnderClientsStopsNothing: those who are connected are still counted, and their target is not stopped under
// them, by however many faults.
func TestFaultUnderClientsStopsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		stays := s.acquire()
		for range 10 {
			s.strike()
			time.Sleep(10 * time.Minute)
			s.expect(Ready, 1, 0)
			s.acquire().Release()
		}
		if st := s.Status(); st.Held != 1 {
			t.Errorf("held: %+v", st)
		}
		stays.Release()
		time.Sleep(30*time.Minute + 5*time.Second)
		s.expect(Stopped, 1, 1)
	})
}

// TestFaultInTheMiddleOfAStep: the machine has decided, and nothing of it was done.
func TestFaultInTheMiddleOfAStep(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		synctest.Wait()
		var h Hold
		answer := make(chan error, 1)
		s.Ask(&h, dumb{answer}) // the machine starts the target, and the cause cannot be told
		if err := <-answer; !errors.Is(err, ErrFault) {
			t.Errorf("told %v", err)
		}
		s.expect(Stopped, 0, 0) // not yet asked anew
		s.acquire().Release()
		s.expect(Ready, 1, 0)
	})
}

// dumb is a Waiter whose cause is a bug.
type dumb struct{ answer chan error }

func (d dumb) Answered(_ *Hold, err error) { d.answer <- err }
func (d dumb) Cause() string               { panic("a bug") }

// TestFaultLosesNoRequest: what came behind the one that struck is done by the successor.
func TestFaultLosesNoRequest(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		synctest.Wait()
		s.strike()
		s.acquire().Release() // in the mailbox, or in what was taken from it
		s.expect(Ready, 1, 0)
	})
}

// TestFaultWhileRetiring: the target is stopped before the end all the same.
func TestFaultWhileRetiring(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		h := s.acquire()
		time.AfterFunc(time.Minute, s.strike)
		time.AfterFunc(2*time.Minute, h.Release)
		if err := s.Retire(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expect(Stopped, 1, 1)
	})
}

// TestFaultAtTheEndDoesNotKeepRouseFromEnding, however often it comes back.
func TestFaultAtTheEndDoesNotKeepRouseFromEnding(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		synctest.Wait()
		s.strike()
		s.strike()
		s.end()
		began := time.Now()
		<-s.done // with an error or without
		if took := time.Since(began); took > lastWrite {
			t.Errorf("ending took %v", took)
		}
	})
}

// TestFaultOfASinkLosesOneEvent and nothing else.
func TestFaultOfASinkLosesOneEvent(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.rigged = true
		s := m.open(func(o *Options) { o.Events = event.NewLog(func(event.Event) { panic("a bug") }) })
		defer s.close()
		s.acquire().Release()
		time.Sleep(30*time.Minute + 5*time.Second)
		s.expect(Stopped, 1, 1)
	})
}

// TestFaultOfAWaiterGivesItsHoldBack: nobody else would.
func TestFaultOfAWaiterGivesItsHoldBack(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		var h Hold
		s.Ask(&h, deafWaiter{})
		s.acquire().Release()
		time.Sleep(30*time.Minute + 5*time.Second)
		s.expect(Stopped, 1, 1)
	})
}

type deafWaiter struct{}

func (deafWaiter) Answered(*Hold, error) { panic("a bug") }
func (deafWaiter) Cause() string         { return "a client" }

// TestFaultWhileTheBootIsWatchedIsSurvived: the driver's report fails so beside the probe, which goes on.
func TestFaultWhileTheBootIsWatchedIsSurvived(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Driver = buggyReport{m} })
		defer s.close()
		s.acquire().Release()
		s.expect(Ready, 1, 0)
	})
}

type buggyReport struct{ *machineRoom }

func (buggyReport) Report(context.Context, driver.Op) (bool, error) { panic("a bug") }

// TestFaultOfADriverOrAStoreIsAFailure like any other: it is told, cleaned up after, and tried again.
func TestFaultOfADriverOrAStoreIsAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		b := &buggy{machineRoom: m}
		b.angry.Store(true)
		b.patient.Store(true)
		s := m.open(func(o *Options) { o.Driver, o.Prober, o.Store = b, b, b })
		defer s.close()
		if _, err := s.Acquire(t.Context(), "client"); !errors.Is(err, ErrFault) {
			t.Errorf("the client was told %v", err)
		}
		b.angry.Store(false)
		s.acquire().Release()
		s.expect(Ready, 1, 1) // what may have half run was stopped before
		b.patient.Store(false)
		b.angry.Store(true)
		time.Sleep(31 * time.Minute)
		s.expect(Unknown, 1, 1) // the stop fails, and is tried again
		b.angry.Store(false)
		time.Sleep(5 * time.Minute)
		s.expect(Stopped, 1, 2)
	})
}

// buggy is a machineRoom in which everything panics, for a while.
type buggy struct {
	*machineRoom
	angry   atomic.Bool
	patient atomic.Bool // but for stops: one begins in the step that tells the client
}

func (b *buggy) check() {
	if b.angry.Load() {
		panic("a bug")
	}
}

func (b *buggy) Start(ctx context.Context, op driver.Op) (string, error) {
	b.check()
	return b.machineRoom.Start(ctx, op)
}

func (b *buggy) Stop(ctx context.Context, op driver.Op) error {
	if !b.patient.Load() {
		b.check()
	}
	return b.machineRoom.Stop(ctx, op)
}

func (b *buggy) Once(ctx context.Context, address string) (net.Conn, error) {
	b.check()
	return b.machineRoom.Once(ctx, address)
}

func (b *buggy) Save(r state.Record) error {
	b.check()
	return b.machineRoom.Save(r)
}
